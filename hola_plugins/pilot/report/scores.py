"""Changes of accuracy and recall between two stages: paired by question where the answers are known one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hola_plugins.pilot.report.estimate import LEVEL, Estimate
from hola_plugins.pilot.results import Accuracy, Retrieval, Stage

_FLIPS = 9999
"""Draws of signs, where all would be more."""

_BATCH = 500
"""Draws held in memory at a time."""

_Z = float(stats.norm.ppf((1 + LEVEL) / 2))


def scores_by_task(stages: Sequence[Stage]) -> dict[tuple[str, str], dict[str, Accuracy]]:
    """Gives the scores of every task and metric, in their order, by the name of the stage."""
    found: dict[tuple[str, str], dict[str, Accuracy]] = {}
    for stage in stages:
        for score in stage.accuracy:
            found.setdefault((score.task, score.metric), {})[stage.name] = score
    return found


def accuracy_change(before: Accuracy, after: Accuracy) -> Estimate | None:
    """Estimates after - before; paired where both know every question, else from the standard errors.

    None where both are 0, so that there is nothing to lose.
    """
    if before.value == after.value == 0:
        return None
    if before.right and len(before.right) == len(after.right):
        return _paired(before, after)
    return _independent(before, after)


def recall_change(before: Retrieval, after: Retrieval) -> Estimate | None:
    """Estimates after - before, paired by query; without an interval where queries do not pair.

    None where one has no recall, where both have one of 0, so that there is nothing to lose, or where both are one
    search, of equal time to the last digit, so that nothing can differ.
    """
    if before.recall is None or after.recall is None or before.recall == after.recall == 0:
        return None
    if before.seconds is not None and before == after:
        return None
    if before.recalls and len(before.recalls) == len(after.recalls):
        changes = np.array(after.recalls) - np.array(before.recalls)
        return Estimate(*_mean_change(changes), _sign_flips(changes), len(changes))
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
    """Compares question by question: McNemar's exact test."""
    changes = np.array(after.right, dtype=np.float64) - np.array(before.right, dtype=np.float64)
    gained, changed = int(np.sum(changes > 0)), int(np.count_nonzero(changes))
    p = float(stats.binomtest(gained, changed).pvalue) if changed else 1.0
    return Estimate(*_mean_change(changes), p, len(changes))


def _mean_change(changes: NDArray[np.float64]) -> tuple[float, float, float]:
    """Gives the mean of changes in [-1, 1], float64[n], and the ends of its interval.

    It is that of Agresti and Min (2005) for pairs of right and wrong, which holds for shares too: half a pair more for
    either way and one without a change, so that the changes that were not seen are not taken for impossible.
    """
    value, n = float(changes.mean()), len(changes) + 2
    middle = float(changes.sum()) / n
    reach = _Z * math.sqrt((float(np.sum(changes**2) + 1) / n - middle**2) / n)
    return value, max(-1.0, min(value, middle - reach)), min(1.0, max(value, middle + reach))


def _sign_flips(changes: NDArray[np.float64]) -> float:
    """Gives the probability of a mean as far from 0 if each change were as likely the other way round; 1 for one change."""
    if len(changes) == 1:
        return 1.0
    test = stats.permutation_test(
        (changes,),
        np.mean,
        permutation_type="samples",
        n_resamples=_FLIPS,
        batch=_BATCH,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def _independent(before: Accuracy, after: Accuracy) -> Estimate:
    """Compares two scores of which only the standard errors are known."""
    value = after.value - before.value
    error = math.hypot(standard_error(before), standard_error(after))
    units = min(before.questions, after.questions)
    if error == 0:
        return Estimate(value, None, None, None, units)
    p = 2 * float(stats.norm.sf(abs(value) / error))
    return Estimate(value, value - _Z * error, value + _Z * error, p, units)
