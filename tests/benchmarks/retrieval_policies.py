"""What a depth policy keeps of a pool: ours and those of other tools, each on the ranking it is meant for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from hola_plugins.adacomp.calibrated import CalibratedPolicy
from hola_plugins.adacomp.calibration import Calibration, calibrate
from hola_plugins.adacomp.conformal import NEVER, coverage_threshold
from hola_plugins.adacomp.decision import DepthBounds
from hola_plugins.adacomp.naming import NamedByBetter
from hola_plugins.adacomp.policy import GapPolicy
from hola_plugins.adacomp.signals import ScoreShape, Signal, WordCoverage
from retrieval_pools import Pool, Searched

Keep: TypeAlias = Callable[[Pool], Sequence[int]]
"""Gives the rows of the kept candidates."""

BOUNDS = DepthBounds(1, 20)
SIGNALS = (ScoreShape(), WordCoverage(), NamedByBetter())


def by_dense(pool: Pool) -> np.ndarray:
    """Rows by similarity alone."""
    return np.argsort(-pool.candidates.dense, kind="stable")


def dense_fixed(k: int) -> Keep:
    """The plain retriever: the k nearest."""
    return lambda pool: by_dense(pool)[:k]


def fused_fixed(k: int) -> Keep:
    """The k best by fused score."""
    return lambda pool: range(min(k, len(pool.candidates)))


def tuned_fixed(calibration: Sequence[Pool], target: float) -> tuple[Keep, int]:
    """The least k whose conformal coverage on the labels reaches the target, on the fused ranking."""
    depths = []
    for pool in calibration:
        rows = np.flatnonzero(pool.relevant)
        depths.append(-(rows[-1] + 1.0) if len(rows) == pool.needed else NEVER)
    threshold = coverage_threshold(depths, target)
    k = BOUNDS.k_max if threshold == NEVER else min(BOUNDS.k_max, int(-threshold))
    return fused_fixed(k), k


def tuned_similarity(calibration: Sequence[Pool], target: float) -> Keep:
    """An absolute similarity threshold, tuned on the same labels: `similarity_score_threshold`, at its best."""
    scores = [
        float(pool.candidates.dense[pool.relevant].min()) if pool.relevant.sum() == pool.needed else NEVER
        for pool in calibration
    ]
    threshold = coverage_threshold(scores, target)
    return lambda pool: [
        row for row in by_dense(pool)[: BOUNDS.k_max] if pool.candidates.dense[row] >= threshold
    ]


def adaptive_k(buffer: int) -> Keep:
    """Adaptive-k (2506.08479): the largest gap, and `buffer` more; also our policy without labels."""
    policy = GapPolicy(buffer)
    return lambda pool: policy.decide(pool.question.text, pool.candidates, BOUNDS).kept


def autocut(jumps: int) -> Keep:
    """Weaviate's autocut: the scores normalised, the diagonal subtracted, cut at the jumps-th local extremum."""

    def keep(pool: Pool) -> Sequence[int]:
        scores = pool.candidates.fused[: BOUNDS.k_max].astype(np.float64)
        n = len(scores)
        if n < 3 or scores[0] == scores[-1]:
            return range(n)
        over = (scores[0] - scores) / (scores[0] - scores[-1]) - np.arange(n) / (n - 1)
        after = np.append(over[2:], over[-3])
        peaks = np.flatnonzero((over[1:] > over[:-1]) & (over[1:] > after)) + 1
        return range(peaks[jumps - 1] if len(peaks) >= jumps else n)

    return keep


def top_p(p: float, temperature: float = 0.05) -> Keep:
    """Haystack's TopPSampler on the fused scores, with a temperature that gives it a chance on cosines."""

    def keep(pool: Pool) -> Sequence[int]:
        scores = pool.candidates.fused[: BOUNDS.k_max].astype(np.float64) / temperature
        mass = np.cumsum(np.exp(scores - scores[0]) / np.exp(scores - scores[0]).sum())
        return range(min(int(np.searchsorted(mass, p)) + 1, len(mass)))

    return keep


def mmr(searched: Searched, k: int) -> Keep:
    """LangChain's maximal marginal relevance, 20 fetched, lambda 0.5."""

    def keep(pool: Pool) -> Sequence[int]:
        rows = by_dense(pool)[:20]
        vectors = searched.store.passages.vectors([pool.candidates.ids[row] for row in rows])
        return [rows[place] for place in maximal_marginal_relevance(pool.vector, list(vectors), k=k)]

    return keep


def calibrated(
    calibration: Sequence[Pool], target: float, signals: Sequence[Signal] = SIGNALS
) -> tuple[Keep, Calibration]:
    """Ours."""
    learnt = calibrate([pool.labelled() for pool in calibration], signals, target=target, bounds=BOUNDS)
    policy = CalibratedPolicy(learnt, signals)
    return lambda pool: policy.decide(pool.question.text, pool.candidates, BOUNDS).kept, learnt
