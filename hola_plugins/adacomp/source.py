"""The contract between the retrieval method and whatever holds the passages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.head_words import HeadWords

if TYPE_CHECKING:
    from hola_plugins.adacomp.lexical import LexicalIndex
    from hola_plugins.adacomp.passage import Passage

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


@runtime_checkable
class VectorIndex(Protocol):
    """A store of passages that can be searched by vector: what `FaissStore` offers to the method.

    All calls may come from several threads at once; none may change the settings of a shared index.
    """

    @property
    def dimension(self) -> int:
        """Length of every vector; 0 while the store is empty."""

    @property
    def revision(self) -> int:
        """A number that changes with every change of the content; what is derived from it is keyed by it."""

    @property
    def texts(self) -> Mapping[str, str]:
        """Text of every passage by id, in the order of adding; a snapshot that later changes leave alone."""

    def __len__(self) -> int:
        """Number of passages."""

    def lexical(self) -> LexicalIndex:
        """BM25 over the present content, built at most once a change."""

    def search(
        self,
        vector: Float32,
        n: int,
        *,
        allowed_ids: Collection[str] | None = None,
        effort: int = 1,
    ) -> tuple[list[str], Float32]:
        """Finds the passages nearest to a vector.

        Args:
            vector: The query, float32[d]; it need not be normalised.
            n: Most passages wanted, at least 1; fewer come back where the store has fewer.
            allowed_ids: Search among these only (before the search, not after it); None allows all.
            effort: Factor on nprobe or efSearch for this call alone; a flat index ignores it.

        Returns:
            Ids, best first, and their cosine similarities, float32[m] with m <= n.

        Raises:
            ValueError: A vector of another dimension, or with a NaN or an infinity.
        """

    def vectors(self, ids: Sequence[str]) -> Float32:
        """Gives the normalised vectors of passages, float32[len(ids), d]; a KeyError names an unknown id."""

    def passages(self) -> Sequence[Passage]:
        """Gives every passage, in the order of adding."""

    def documents(self, ids: Sequence[str]) -> list[Any]:
        """Gives the host's documents of these ids, in that order; the caller may change them freely."""


@runtime_checkable
class Changing(Protocol):
    """A vector index that changes while it is searched, and gives its content at one moment."""

    def view(self, *, words: bool = False) -> VectorIndex:
        """Gives the present content, which later changes leave alone; with BM25 built if there must be `words`."""
