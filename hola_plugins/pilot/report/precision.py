"""How precise a comparison is, and how large a sample would make it precise enough for practice."""

from __future__ import annotations

import math

from scipy import stats

from hola_plugins.pilot.config import MOST_REPEATS
from hola_plugins.pilot.report.comparison import Comparison
from hola_plugins.pilot.report.estimate import LEVEL

NARROW_RATIO = 0.05
"""Reach of an interval of a ratio, either way, that settles a question for practice."""

NARROW_SCORE = 0.02
"""The same for a difference of scores."""


def is_narrow(comparison: Comparison) -> bool:
    """Says whether the interval reaches no further than settles the question."""
    return _excess(comparison) <= 1


def repeats_wanted(comparison: Comparison) -> int | None:
    """Gives the repeats whose turns would make an interval of Student's t narrow; None where all that may be are too few."""
    units = comparison.estimate.units
    error = _excess(comparison) / _reach_of_turns(units)
    return next((n for n in range(units, MOST_REPEATS + 1) if error * _reach_of_turns(n) <= 1), None)


def units_wanted(comparison: Comparison) -> int:
    """Gives the units that would make an interval of fixed errors a unit narrow, rounded up to two digits."""
    return _rounded_up(comparison.estimate.units * _excess(comparison) ** 2)


def _excess(comparison: Comparison) -> float:
    """Gives half the width of the interval as a multiple of what would be narrow."""
    low, high = comparison.estimate.low, comparison.estimate.high
    if low is None or high is None:
        return math.inf
    if comparison.kind == "speed":
        return math.log(high / low) / 2 / math.log1p(NARROW_RATIO)
    return (high - low) / 2 / NARROW_SCORE


def _reach_of_turns(turns: int) -> float:
    """Gives half the width of an interval of so many turns, in deviations of one."""
    return float(stats.t.ppf((1 + LEVEL) / 2, turns - 1)) / math.sqrt(turns)


def _rounded_up(value: float) -> int:
    """Rounds up to two digits."""
    step = int(10 ** max(0, math.floor(math.log10(value)) - 1))
    return math.ceil(value / step) * step
