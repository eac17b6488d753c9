"""Ratios of totals with the jackknife over what is counted as one, and Student's t."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from hola_plugins.pilot.report.estimate import LEVEL, Estimate
from hola_plugins.pilot.report.pairing import Pairs

_LEAST_ERROR = float(np.finfo(np.float64).eps)
"""Stands in for no error at all, where every pair has the same ratio."""


def ratio_of_totals(pairs: Pairs) -> Estimate | None:
    """Estimates how many times the total before the total after is.

    The standard error of its logarithm is the jackknife's (Efron and Tibshirani 1993, chapter 11): one pair after
    another is left out. Interval and probability are those of Student's t with a degree of freedom less than there are
    pairs. Exchanging the stages inverts the estimate; one pair has no interval.

    Returns:
        The estimate; None without pairs or where a sum is not positive.
    """
    units = len(pairs.before)
    if not units or min(pairs.before.min(), pairs.after.min()) <= 0:
        return None
    before, after = pairs.before.sum(), pairs.after.sum()
    value = math.log(after / before)
    if units == 1:
        return Estimate(math.exp(value), None, None, None, units)
    without = np.log(after - pairs.after) - np.log(before - pairs.before)
    error = max((units - 1) * float(stats.sem(without)), _LEAST_ERROR)
    low, high = stats.t.interval(LEVEL, units - 1, value, error)
    p = 2 * float(stats.t.sf(abs(value) / error, units - 1))
    return Estimate(math.exp(value), math.exp(low), math.exp(high), p, units)
