"""What a search gives to the retrieval method, whatever holds the passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.head_words import HeadWords

Float32: TypeAlias = NDArray[np.float32]
"""Scores or vectors."""


@dataclass(frozen=True, slots=True)
class WordMatch:
    """How some passages match the words of a question.

    Attributes:
        scores: BM25 score of each passage, at least 0, float32[n].
        holds: Which passage holds which of the question's distinct words, bool[n, w]; words without worth are left out.
        rarity: Worth of each of these words, 0 for words that most passages hold, float32[w].
        heads: The first words of each passage; None where they are not known.
    """

    scores: Float32
    holds: NDArray[np.bool_]
    rarity: Float32
    heads: HeadWords | None = None

    def picked(self, rows: NDArray[np.int64]) -> WordMatch:
        """Gives the passages in these rows, in that order."""
        heads = None if self.heads is None else self.heads.picked(rows)
        return WordMatch(self.scores[rows], self.holds[rows], self.rarity, heads)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The passages that a search found for one query, best fused score first.

    Attributes:
        ids: Name of each passage, unique.
        texts: Text of each passage.
        dense: Similarity of each passage to the query, higher is better, float32[n].
        words: How each passage matches the words of the question.
        fused: The two combined, never rising, float32[n].
        scored: Whether `dense` holds similarities; a source that only ranks gives made-up, falling numbers.
        exhausted: Whether a wider search could not find more.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    dense: Float32
    words: WordMatch
    fused: Float32
    scored: bool = True
    exhausted: bool = False

    def __len__(self) -> int:
        return len(self.ids)
