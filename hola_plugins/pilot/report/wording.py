"""Comparisons as plain sentences: what changed, what did not, and what the sample is too small to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten

from hola_plugins.pilot.report.comparison import Comparison
from hola_plugins.pilot.report.estimate import LEAST_TURNS
from hola_plugins.pilot.report.precision import NARROW_SCORE, is_narrow
from hola_plugins.pilot.results import Stage

_LONGEST = 200
"""Most signs of the reason of a request without an answer, such as a server's whole error page."""


def signed(value: float, digits: int = 1) -> str:
    """Gives a number with its sign, a true minus: ``-3.1``; zero has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def change(comparison: Comparison) -> str:
    """Gives the change: per cent of a speed, points of a score."""
    value = comparison.estimate.value
    if comparison.kind == "speed":
        return f"{signed(100 * (value - 1))} %"
    return f"{signed(100 * value)} points"


def interval(comparison: Comparison) -> str:
    """Gives the interval: ``-36.0 to -25.1 %``; empty where there is none."""
    low, high = comparison.estimate.low, comparison.estimate.high
    if low is None or high is None:
        return ""
    if comparison.kind == "speed":
        return f"{signed(100 * (low - 1))} to {signed(100 * (high - 1))} %"
    return f"{signed(100 * low)} to {signed(100 * high)} points"


def pairs(comparison: Comparison) -> str:
    """Gives the sample: ``12 turns``."""
    units, noun = comparison.estimate.units, comparison.unit
    return f"{units} {noun if units == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Gives the word for several of what is counted."""
    return "queries" if noun == "query" else f"{noun}s"


def listed(items: Sequence[str]) -> str:
    """Writes one or more items as a list in a sentence: ``a, b and c``."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def measured(comparison: Comparison) -> str:
    """Gives change, interval and sample: ``-31.0 % (95 % interval -36.0 to -25.1 %, 12 turns)``."""
    reach = interval(comparison)
    basis = f"95 % interval {reach}, {pairs(comparison)}" if reach else f"no interval, {pairs(comparison)}"
    return f"{change(comparison)} ({basis})"


def sentence(comparison: Comparison, titles: Mapping[str, str]) -> str:
    """Says in one sentence whether there is a change.

    Args:
        comparison: What was compared.
        titles: Title of a stage by its name.
    """
    verdict = "Better" if comparison.improved else "Worse" if comparison.worsened else "Not significant"
    return f"{verdict}: {statement(comparison, titles)}"


def statement(comparison: Comparison, titles: Mapping[str, str]) -> str:
    """Says what was measured, and of a change that does not count why; takes what `sentence` does."""
    why = "" if comparison.significant else _why(comparison)
    return f"{comparison.measure} of {two_stages(comparison, titles)}, {measured(comparison)}{why}."


def too_small(comparison: Comparison) -> bool:
    """Says whether the sample is too small to decide: nothing is shown, and much is possible."""
    return not comparison.significant and not (comparison.decidable and is_narrow(comparison))


def open_loss(comparison: Comparison) -> str | None:
    """Gives how much of a score may be lost unseen; None where that is little or known to be lost."""
    low = comparison.estimate.low
    if comparison.kind != "quality" or comparison.worsened or low is None or low >= -NARROW_SCORE:
        return None
    return f"a loss of up to {-100 * low:.1f} points of {comparison.measure} is not ruled out by {pairs(comparison)}"


def unanswered(stage: Stage, whose: str) -> str:
    """Says how many requests of a stage, or of stages like it, got no answer, and why the first got none."""
    failed = stage.failed_requests
    first = shorten(stage.first_failure or "", _LONGEST, placeholder=" ...")
    why = f"; the first: {first}" if first else "."
    return (
        f"{failed} of {failed + len(stage.requests)} requests of {whose} got no answer; the figures are those of the "
        f"others{why}"
    )


def in_short(error: str | None) -> str:
    """Gives the first line of an error, what happened, and the last, its cause."""
    lines = [line.strip() for line in (error or "").splitlines() if line.strip()]
    return " ".join(dict.fromkeys([lines[0], lines[-1]])) if lines else "no reason is known"


def two_stages(comparison: Comparison, titles: Mapping[str, str]) -> str:
    """Names the two stages: ``+ HSD against Baseline``."""
    return f"{titles[comparison.stage]} against {titles[comparison.against]}"


def undecidable(comparison: Comparison) -> str:
    """Says what the sample lacks."""
    if comparison.unit != "turn":
        return f"{pairs(comparison)}, or no figure for each of them, decide nothing"
    repeats = "one repeat" if comparison.estimate.units == 1 else "so few repeats"
    return f"{repeats} cannot tell the method from the machine: give at least {LEAST_TURNS} repeats, and as many prompts"


def _why(comparison: Comparison) -> str:
    """Says why a change does not count although its interval, or its size, seems to show one."""
    estimate = comparison.estimate
    if not comparison.decidable:
        return f"; {undecidable(comparison)}"
    if not (estimate.low or 0.0) <= comparison.neutral <= (estimate.high or 0.0):
        return f"; its probability of {comparison.corrected:.2g} after the correction is 0.05 or more"
    return ""
