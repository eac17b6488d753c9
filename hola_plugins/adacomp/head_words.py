"""The first words of a passage, its title or what it begins to speak of, and the words that others share with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.postings import Postings

HEAD = 6
"""Words that count as a passage's beginning."""


@dataclass(frozen=True, slots=True)
class WordLists:
    """The distinct words of every passage, one list after the other.

    Attributes:
        numbers: The words, int32[entries].
        starts: Where each passage's words begin, and the end, int64[passages + 1].
    """

    numbers: NDArray[np.int32]
    starts: NDArray[np.int64]

    def of(self, row: int) -> NDArray[np.int32]:
        """Gives the numbers of one passage's words."""
        return self.numbers[self.starts[row] : self.starts[row + 1]]

    def picked(self, kept: NDArray[np.bool_]) -> WordLists:
        """Gives the words of some passages, bool[passages], in their order."""
        sizes = np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(sizes[kept])])
        return WordLists(self.numbers[np.repeat(kept, sizes)], starts)

    def followed_by(self, others: WordLists) -> WordLists:
        """Gives these words and then those of other passages."""
        starts = np.concatenate([self.starts, self.starts[-1] + others.starts[1:]])
        return WordLists(np.concatenate([self.numbers, others.numbers]), starts)

    def renumbered(self, numbers: NDArray[np.int32]) -> WordLists:
        """Gives the same words by other numbers, int32[words]."""
        return WordLists(numbers[self.numbers], self.starts)


@dataclass(frozen=True, slots=True)
class HeadIndex:
    """What a corpus knows of the words of its passages.

    Attributes:
        numbers: The distinct first words of each passage, -1 where there are fewer, int32[passages, HEAD].
        worth: Worth of every word, 0 for common ones, and last that of no word, float32[words + 1].
        vocabulary: Number of every word.
        lists: All words of the passages.
    """

    numbers: NDArray[np.int32]
    worth: NDArray[np.float32]
    vocabulary: Mapping[str, int]
    lists: WordLists


@dataclass(frozen=True, slots=True)
class HeadWords:
    """The first words of some passages of a corpus.

    Attributes:
        index: The corpus.
        rows: Row of each passage in it, int64[n].
    """

    index: HeadIndex
    rows: NDArray[np.int64]

    def picked(self, places: NDArray[np.int64]) -> HeadWords:
        """Gives the passages in these places, in that order."""
        return HeadWords(self.index, self.rows[places])

    def shares(self, sources: int, besides: Iterable[str]) -> NDArray[np.float64]:
        """Gives how much of the worth of each passage's first words each of the first passages holds too.

        Args:
            sources: Number of passages from the first on that are looked at, at most 8.
            besides: Words that do not count.

        Returns:
            float64[sources, n], 0 for a passage and itself.
        """
        heads = self.index.numbers[self.rows]
        worth = self.index.worth[heads].astype(np.float64)
        worth /= np.maximum(worth.sum(axis=1, keepdims=True), 1e-9)
        marks = np.zeros(
            len(self.index.worth), dtype=np.uint8
        )  # a bit a source; the last place is that of no word
        for bit, row in enumerate(self.rows[:sources].tolist()):
            marks[self.index.lists.of(row)] |= np.uint8(1 << bit)
        marks[[self.index.vocabulary.get(word, -1) for word in besides]] = 0
        bits = np.uint8(1) << np.arange(sources, dtype=np.uint8)
        shared = (marks[heads] & bits[:, None, None]) > 0
        found: NDArray[np.float64] = np.einsum("snh,nh->sn", shared, worth)
        np.fill_diagonal(found, 0.0)
        return found


def heads_of(passages: Iterable[Sequence[int]]) -> NDArray[np.int32]:
    """Gives the distinct numbers among the first words of each passage, -1 where there are fewer, int32[n, HEAD].

    Args:
        passages: Numbers of the words of each passage, in order.
    """
    firsts = [[*dict.fromkeys(numbers[:HEAD])] for numbers in passages]
    padded = [first + [-1] * (HEAD - len(first)) for first in firsts]
    return np.array(padded, dtype=np.int32).reshape(len(padded), HEAD)


def lists_of(postings: Postings) -> WordLists:
    """Turns passages listed by word into words listed by passage."""
    words = np.repeat(np.arange(len(postings.starts) - 1, dtype=np.int32), postings.holding)
    ends = np.cumsum(np.bincount(postings.rows, minlength=postings.passages))
    order = np.argsort(postings.rows, kind="stable")
    return WordLists(words[order], np.concatenate([[0], ends]).astype(np.int64))
