"""Recall, coverage and tokens of a policy; tokens saved against a fixed depth at equal recall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval_policies import Keep
from retrieval_pools import Pool

DEEPEST = 50
"""Deepest fixed depth of the reference curve."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy kept, one row a question: depth, recall, all found, tokens; float64[n, 4]."""

    rows: np.ndarray

    def means(self) -> dict[str, float]:
        k, recall, covered, tokens = self.rows.mean(axis=0)
        return {"k": float(k), "recall": float(recall), "all_gold": float(covered), "tokens": float(tokens)}


def measure(keep: Keep, pools: Sequence[Pool]) -> Outcome:
    """Applies a policy to pools."""
    rows = []
    for pool in pools:
        kept = list(keep(pool))
        found = int(pool.relevant[kept].sum())
        rows.append((len(kept), found / pool.needed, found == pool.needed, pool.tokens[kept].sum()))
    return Outcome(np.array(rows, dtype=np.float64))


def fixed_curves(pools: Sequence[Pool]) -> tuple[np.ndarray, np.ndarray]:
    """Gives recall and tokens of every question at fused fixed depths 0 to 50, float64[n, 51] each."""
    recall = np.zeros((len(pools), DEEPEST + 1))
    tokens = np.zeros((len(pools), DEEPEST + 1))
    for row, pool in enumerate(pools):
        depths = np.minimum(np.arange(DEEPEST + 1), len(pool.candidates))
        recall[row] = np.concatenate([[0], np.cumsum(pool.relevant)])[depths] / pool.needed
        tokens[row] = np.concatenate([[0], np.cumsum(pool.tokens)])[depths]
    return recall, tokens


def saved(outcome: Outcome, recall: np.ndarray, tokens: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Gives the share of tokens saved against a fixed depth of the same recall, float64[b].

    The depth may be fractional: the curve is interpolated between depths, each recall at its least depth. A recall
    that no depth reaches is compared with that of the highest.

    Args:
        outcome: Of the policy, n questions.
        recall: Of the fixed depths, from `fixed_curves`, float64[n, d].
        tokens: The same.
        weights: How often each question counts, float64[b, n]: ones for all once, or bootstrap samples.
    """
    shares = weights / weights.sum(axis=1, keepdims=True)
    reached, used = shares @ outcome.rows[:, 1], shares @ outcome.rows[:, 3]
    levels, costs = (shares @ recall).round(12), shares @ tokens
    needed = np.empty(len(weights))
    for sample in range(len(weights)):
        rising, first = np.unique(levels[sample], return_index=True)
        needed[sample] = np.interp(reached[sample], rising, costs[sample][first])
    return 1.0 - used / needed


def oracle(outcome: Outcome, recall: np.ndarray, tokens: np.ndarray, most: int) -> float:
    """Gives the share of tokens saved by the cheapest depths of the same recall, chosen with the answers known.

    No policy that cuts this ranking can save more. Every question gets a depth from 1 to `most` that is best at
    some price of a token; between two prices the curve is interpolated.

    Args:
        outcome: Whose mean recall is to be reached.
        recall: Of the fixed depths, from `fixed_curves`, float64[n, d].
        tokens: The same.
        most: Greatest depth.
    """
    reachable, costs = recall[:, 1 : most + 1], tokens[:, 1 : most + 1]
    rows = np.arange(len(recall))
    points = []
    for price in np.geomspace(1e-7, 1.0, 100):
        depth = (reachable - price * costs).argmax(axis=1)
        points.append((reachable[rows, depth].mean(), costs[rows, depth].mean()))
    levels, cheapest = np.array(sorted(points)).T
    reached = outcome.rows[:, 1].mean()
    rising, first = np.unique(recall.mean(axis=0).round(12), return_index=True)
    needed = np.interp(reached, rising, tokens.mean(axis=0)[first])
    return float(1.0 - np.interp(reached, levels, cheapest) / needed)


def resampled(questions: int, samples: int, seed: int) -> np.ndarray:
    """Draws bootstrap samples: how often each question comes in each, float64[samples, questions]."""
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(questions, size=questions) for _ in range(samples)]
    return np.array([np.bincount(rows, minlength=questions) for rows in drawn], dtype=np.float64)


def interval(values: Sequence[float]) -> dict[str, float]:
    """Gives the mean and the central 95 % of resampled values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}
