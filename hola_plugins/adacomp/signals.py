"""Signals: what is known of each candidate, as numbers that the calibrated policy weighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.source import Candidates

Float64: TypeAlias = NDArray[np.float64]

WINDOW = 50
"""Candidates that describe the shape of a query's scores, so that a wider search does not change it."""

_TOP = 10


class Signal(Protocol):
    """Something measurable about a query and its candidates.

    A signal about the query alone repeats its number in every row. One that says nothing gets a weight near 0.
    """

    names: tuple[str, ...]
    """Name of each column."""

    def measure(self, query: str, candidates: Candidates) -> Float64:
        """Gives one row a candidate and one column a name, float64[n, len(names)], all finite."""


class ScoreShape:
    """Where a candidate's scores stand in those of the query: ten numbers, no model, microseconds."""

    names = (
        "dense",
        "dense_below_top",
        "dense_over_tail",
        "lexical_share",
        "fused_below_top",
        "log_rank",
        "dense_rank_inverse",
        "lexical_rank_inverse",
        "fused_gap",
        "fused_spread",
    )

    def measure(self, query: str, candidates: Candidates) -> Float64:
        """Gives float64[n, 10]."""
        n = len(candidates)
        dense = candidates.dense.astype(np.float64)
        lexical = candidates.words.scores.astype(np.float64)
        fused = candidates.fused.astype(np.float64)
        shape = np.sort(dense)[::-1][:WINDOW]
        tail = shape[_TOP:] if len(shape) > _TOP else shape[-1:]
        rank = np.arange(1.0, n + 1.0, dtype=np.float64)
        top = fused[:_TOP] - fused[:_TOP].sum() / len(fused[:_TOP])
        return _columns(
            n,
            dense,
            dense - shape[0],
            dense - tail.sum() / len(tail),
            lexical / max(lexical.max(), 1e-9),
            fused - fused[0],
            np.log(rank),
            _rank_inverse(dense, rank),
            _rank_inverse(lexical, rank),
            fused[0] - fused[1] if n > 1 else 0.0,
            np.sqrt((top * top).sum() / len(top)),
        )


class WordCoverage:
    """Which of the question's rare words a passage brings that better passages have not brought already."""

    names = (
        "coverage",
        "coverage_below_top",
        "coverage_gain",
        "coverage_missing_at_top",
        "log_length",
        "log_question_words",
    )

    def measure(self, query: str, candidates: Candidates) -> Float64:
        """Gives float64[n, 6]."""
        n, asked = candidates.words.holds.shape
        rarity = candidates.words.rarity.astype(np.float64)
        share = rarity / max(rarity.sum(), 1e-9)
        holds = candidates.words.holds
        seen = np.logical_or.accumulate(holds, axis=0)
        new = holds.copy()
        new[1:] &= ~seen[:-1]
        coverage = holds @ share
        return _columns(
            n,
            coverage,
            coverage - coverage[0],
            new @ share,
            1.0 - coverage[0],
            np.log1p([len(text) for text in candidates.texts]),
            np.log1p(asked),
        )


def measure_all(signals: Sequence[Signal], query: str, candidates: Candidates) -> Float64:
    """Puts the columns of several signals side by side; without candidates there is no row.

    Raises:
        ValueError: A signal that gives another shape than it declares, or a number that is not finite.
    """
    if not len(candidates):
        return np.zeros((0, len(names_of(signals))))
    return np.concatenate([_checked(signal, query, candidates) for signal in signals], axis=1)


def names_of(signals: Sequence[Signal]) -> tuple[str, ...]:
    """Lists the columns of several signals."""
    return tuple(name for signal in signals for name in signal.names)


def _checked(signal: Signal, query: str, candidates: Candidates) -> Float64:
    values = signal.measure(query, candidates)
    if values.shape != (len(candidates), len(signal.names)) or not np.isfinite(values).all():
        raise ValueError(
            f"signal {type(signal).__name__} must give finite numbers of shape "
            f"{(len(candidates), len(signal.names))}, got shape {values.shape}"
        )
    return values


def _columns(n: int, *columns: Float64 | float) -> Float64:
    """Puts columns side by side, one number repeated where a column is one number, float64[n, m]."""
    table = np.empty((n, len(columns)))
    for place, column in enumerate(columns):
        table[:, place] = column
    return table


def _rank_inverse(scores: Float64, rank: Float64) -> Float64:
    """Gives one over the rank of each score from the top; `rank` is 1 to n."""
    inverse = np.empty(len(scores))
    inverse[np.argsort(-scores, kind="stable")] = 1.0 / rank
    return inverse
