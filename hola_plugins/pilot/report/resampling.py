"""Intervals by bootstrap and probabilities by permutation, for pairs of any two columns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hola_plugins.pilot.report.estimate import LEVEL, Estimate
from hola_plugins.pilot.report.pairing import Pairs

RESAMPLES = 9999
"""Resamples of an interval and of a test."""

_SEED = 0
_BATCH = 500
"""Resamples held in memory at a time."""

Column = NDArray[np.float64]


def ratio_of_means(pairs: Pairs) -> Estimate | None:
    """Estimates how many times the mean before the mean after is.

    The interval is the percentile bootstrap over prompts (Efron and Tibshirani 1993, chapter 13), in logarithms so
    that exchanging the stages inverts it. The probability is that of the permutation test in which the two sums of
    every prompt change places.

    Returns:
        The estimate; None without pairs or where a sum is not positive.
    """
    if not len(pairs.before) or min(pairs.before.min(), pairs.after.min()) <= 0:
        return None
    found = _resampled(pairs.before, pairs.after, _log_ratio)
    low, high = (None if end is None else math.exp(end) for end in (found.low, found.high))
    return Estimate(math.exp(found.value), low, high, found.p, found.units)


def difference_of_means(before: Column, after: Column) -> Estimate:
    """Estimates by how much the mean after is over the mean before; both float64[n], in pairs."""
    return _resampled(before, after, _difference)


def _log_ratio(before: Column, after: Column, axis: int = -1) -> Any:
    return np.log(after.sum(axis=axis)) - np.log(before.sum(axis=axis))


def _difference(before: Column, after: Column, axis: int = -1) -> Any:
    return (after - before).mean(axis=axis)


def _resampled(before: Column, after: Column, statistic: Callable[..., Any]) -> Estimate:
    """Estimates a statistic that is 0 where nothing changes; one pair has no interval."""
    value = float(statistic(before, after))
    if len(before) < 2:
        return Estimate(value, None, None, None, len(before))
    interval = stats.bootstrap(
        (before, after),
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    test = stats.permutation_test(
        (before, after),
        statistic,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        rng=np.random.default_rng(_SEED),
    )
    low, high = min(float(interval.low), value), max(float(interval.high), value)
    return Estimate(value, low, high, float(test.pvalue), len(before))
