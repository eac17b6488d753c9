"""Whether a gain is more than noise: Student's t over turns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from hola_plugins.pilot.report.estimate import LEAST_TURNS, LEVEL

_LEAST_ERROR = 1e-12
"""Stands in for no error at all, where all turns are alike."""


def chance_of(turns: Sequence[float]) -> float:
    """Gives the probability of so low a mean if nothing changed.

    What disturbs the machine moves the requests of a turn together, so that a turn is one unit.

    Args:
        turns: By turn, the mean logarithm of the rival's latency over the reference's.

    Returns:
        The probability; 1 where there are too few turns to tell.
    """
    from scipy import stats

    if len(turns) < LEAST_TURNS:
        return 1.0
    error = max(float(stats.sem(turns)), _LEAST_ERROR)
    return float(stats.t.cdf(statistics.fmean(turns) / error, len(turns) - 1))


def is_gain(turns: Sequence[float]) -> bool:
    """Tells whether turns that were not picked for being low show a gain that is more than noise."""
    return chance_of(turns) < 1 - LEVEL
