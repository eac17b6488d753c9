"""Where a sample is too small to decide: a line a measure, each step with what it leaves open, and what would do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

from hola_plugins.pilot.config import MOST_REPEATS
from hola_plugins.pilot.report.comparison import Comparison
from hola_plugins.pilot.report.precision import NARROW_RATIO, NARROW_SCORE, repeats_wanted, units_wanted
from hola_plugins.pilot.report.wording import interval, listed, pairs, two_stages, undecidable

_Remedy: TypeAlias = Callable[[Sequence[Comparison], Fraction], str]
"""Says of comparisons of one measure what would do, given the prompts a repeat."""

_LIKELY = "a gain is likely, not yet sure after the correction"
_RATIO = f"{100 * NARROW_RATIO:.0f} % either way"
_SCORE = f"{100 * NARROW_SCORE:.0f} points either way"


def shortages(
    comparisons: Sequence[Comparison], titles: Mapping[str, str], prompts: Fraction
) -> Iterator[str]:
    """Yields a line for all comparisons of one measure that the same would help, in the order of the first of them.

    Args:
        comparisons: Those whose sample is too small.
        titles: Title of a stage by its name.
        prompts: How many a repeat sends, on average.
    """
    groups: dict[tuple[str, _Remedy], list[Comparison]] = {}
    for one in comparisons:
        groups.setdefault((one.measure, _remedy(one)), []).append(one)
    for (measure, remedy), group in groups.items():
        steps = listed([_left_open(one, titles) for one in group])
        yield f"Too small a sample for {measure} of {steps}: {remedy(group, prompts)}."


def _left_open(comparison: Comparison, titles: Mapping[str, str]) -> str:
    """Names the two stages, with what may be between them where that is known."""
    reach = f" ({interval(comparison)})" if comparison.decidable else ""
    return f"{two_stages(comparison, titles)}{reach}"


def _remedy(comparison: Comparison) -> _Remedy:
    """Gives what says what would do."""
    if not comparison.decidable:
        return _lacking
    if comparison.likely:
        return _unsure if comparison.unit == "turn" and comparison.estimate.units >= MOST_REPEATS else _surer
    if comparison.unit != "turn":
        return _more_units
    return _nothing if repeats_wanted(comparison) is None else _more_repeats


def _lacking(group: Sequence[Comparison], _: Fraction) -> str:
    """Says what the smallest sample lacks."""
    return undecidable(min(group, key=lambda one: one.estimate.units))


def _surer(group: Sequence[Comparison], prompts: Fraction) -> str:
    """Says what may make a likely gain sure."""
    if group[0].unit != "turn":
        more = _units(group)
    elif any(repeats_wanted(one) is None for one in group):
        more = "more repeats, and as many prompts,"
    else:
        more = _repeats(group, prompts)
    return f"{_LIKELY}; {more} may make it sure"


def _unsure(_group: Sequence[Comparison], _: Fraction) -> str:
    """Says that a likely gain has all the repeats that may be."""
    return f"{_LIKELY}, and {MOST_REPEATS} repeats are the most"


def _more_units(group: Sequence[Comparison], _: Fraction) -> str:
    """Says how many questions or queries would do for all."""
    return f"{_units(group)} would narrow {_each(group)} to {_SCORE}"


def _more_repeats(group: Sequence[Comparison], prompts: Fraction) -> str:
    """Says how many repeats, and prompts of the same number each, would do for all."""
    return f"{_repeats(group, prompts)} would narrow {_each(group)} to {_RATIO}"


def _units(group: Sequence[Comparison]) -> str:
    """Gives the most questions or queries that an interval of a group wants."""
    most = max(group, key=units_wanted)
    return f"about {units_wanted(most):,} instead of {pairs(most)}"


def _repeats(group: Sequence[Comparison], prompts: Fraction) -> str:
    """Gives the most repeats that an interval of a group wants, and their prompts."""
    wanted, now = max((repeats_wanted(one) or 0, one.estimate.units) for one in group)
    more, sent = (math.ceil(repeats * prompts) for repeats in (wanted, now))
    return f"about {wanted} repeats and {more:,} prompts instead of {now} and {sent:,}"


def _nothing(group: Sequence[Comparison], _: Fraction) -> str:
    """Says that no number of repeats would do."""
    return (
        f"even {MOST_REPEATS} repeats, the most, would not narrow {_each(group)} to {_RATIO}: the difference is too "
        "small to be told on this machine"
    )


def _each(group: Sequence[Comparison]) -> str:
    return "that" if len(group) == 1 else "each"
