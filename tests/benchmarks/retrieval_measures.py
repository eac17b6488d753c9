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


def saved(outcome: Outcome, recall: np.ndarray, tokens: np.ndarray, rows: np.ndarray | None = None) -> float:
    """Gives the share of tokens saved against a fixed depth of the same recall.

    The depth may be fractional: the curve is interpolated between depths, each recall at its least depth. A recall
    that no depth reaches is compared with that of the highest.

    Args:
        outcome: Of the policy.
        recall: Of the fixed depths, from `fixed_curves`.
        tokens: The same.
        rows: Questions to count, possibly more than once (bootstrap); None counts all.
    """
    chosen = np.arange(len(outcome.rows)) if rows is None else rows
    _, reached, _, used = outcome.rows[chosen].mean(axis=0)
    levels, first = np.unique(recall[chosen].mean(axis=0).round(12), return_index=True)
    needed = np.interp(reached, levels, tokens[chosen].mean(axis=0)[first])
    return float(1.0 - used / needed)


def interval(values: Sequence[float]) -> dict[str, float]:
    """Gives the mean and the central 95 % of resampled values."""
    low, high = np.percentile(values, [2.5, 97.5])
    return {"mean": float(np.mean(values)), "low": float(low), "high": float(high)}
