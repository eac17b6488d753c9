"""Changes of accuracy and recall between two stages: paired by question where the answers are known one by one."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from hola_plugins.pilot.report.estimate import LEVEL, Estimate
from hola_plugins.pilot.report.resampling import difference_of_means
from hola_plugins.pilot.results import Accuracy, Retrieval

_Z = float(stats.norm.ppf((1 + LEVEL) / 2))


def accuracy_change(before: Accuracy, after: Accuracy) -> Estimate:
    """Estimates after - before; paired where both know every question, else from the standard errors."""
    if before.right and len(before.right) == len(after.right):
        return _paired(before, after)
    return _independent(before, after)


def recall_change(before: Retrieval, after: Retrieval) -> Estimate | None:
    """Estimates after - before; None where one has no recall, without an interval where queries do not pair."""
    if before.recall is None or after.recall is None:
        return None
    if before.recalls and len(before.recalls) == len(after.recalls):
        return difference_of_means(np.array(before.recalls), np.array(after.recalls))
    return Estimate(after.recall - before.recall, None, None, None, min(before.queries, after.queries))


def standard_error(score: Accuracy) -> float:
    """Gives the standard error; where it is unknown or 0, the largest that a score in [0, 1] can have.

    It is 0 where all questions score the same, which does not make the next one certain. The largest is the one of a
    share, with two questions added either way so that 0 and 1 are not taken for certain (Agresti and Coull 1998).
    """
    if score.stderr:
        return score.stderr
    share = min(1.0, max(0.0, (score.value * score.questions + 2) / (score.questions + 4)))
    return math.sqrt(share * (1 - share) / (score.questions + 4))


def score_interval(score: Accuracy) -> tuple[float, float]:
    """Gives the interval of one score, within [0, 1]."""
    reach = _Z * standard_error(score)
    return max(0.0, score.value - reach), min(1.0, score.value + reach)


def _paired(before: Accuracy, after: Accuracy) -> Estimate:
    """Compares question by question: McNemar's exact test, and the interval of Agresti and Min (2005)."""
    gained = sum(now and not then for then, now in zip(before.right, after.right, strict=True))
    lost = sum(then and not now for then, now in zip(before.right, after.right, strict=True))
    n, changed = len(before.right), gained + lost
    up, down = (gained + 0.5) / (n + 2), (lost + 0.5) / (n + 2)
    reach = _Z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    value = (gained - lost) / n
    low, high = max(-1.0, min(value, up - down - reach)), min(1.0, max(value, up - down + reach))
    p = float(stats.binomtest(gained, changed).pvalue) if changed else 1.0
    return Estimate(value, low, high, p, n)


def _independent(before: Accuracy, after: Accuracy) -> Estimate:
    """Compares two scores of which only the standard errors are known."""
    value = after.value - before.value
    error = math.hypot(standard_error(before), standard_error(after))
    units = min(before.questions, after.questions)
    if error == 0:
        return Estimate(value, None, None, None, units)
    p = 2 * float(stats.norm.sf(abs(value) / error))
    return Estimate(value, value - _Z * error, value + _Z * error, p, units)
