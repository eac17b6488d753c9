"""The inverted index of a corpus: which passages hold a word, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Postings:
    """The passages that hold a word, one word after the other.

    Attributes:
        rows: The passages, rising within a word, int32[entries].
        counts: How often each holds the word, at least 1, int32[entries].
        starts: Where the passages of each word begin, and the end, int64[words + 1].
        passages: Number of passages.
    """

    rows: NDArray[np.int32]
    counts: NDArray[np.int32]
    starts: NDArray[np.int64]
    passages: int

    @classmethod
    def of(cls, passages: Sequence[Sequence[int]], words: int) -> Postings:
        """Counts the words of passages.

        Args:
            passages: Numbers of the words of each passage.
            words: Number of different words.
        """
        n = len(passages)
        rows = np.repeat(np.arange(n), [len(numbers) for numbers in passages])
        numbers = np.fromiter(chain.from_iterable(passages), dtype=np.int64, count=len(rows))
        entries, counts = np.unique(numbers * n + rows, return_counts=True)
        starts = np.searchsorted(entries, np.arange(words + 1) * n)
        return cls((entries % max(n, 1)).astype(np.int32), counts.astype(np.int32), starts, n)

    @property
    def holding(self) -> NDArray[np.int64]:
        """How many passages hold each word, int64[words]."""
        return np.diff(self.starts)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """How many words each passage has, float64[passages]."""
        return np.bincount(self.rows, self.counts, self.passages).astype(np.float64, copy=False)

    def picked(self, kept: NDArray[np.bool_]) -> Postings:
        """Gives the postings of some passages, bool[passages], in their order."""
        left = kept[self.rows]
        row = np.cumsum(kept, dtype=np.int32) - np.int32(1)
        ends = np.concatenate([[0], np.cumsum(left)])
        return Postings(row[self.rows[left]], self.counts[left], ends[self.starts], int(kept.sum()))

    def followed_by(self, others: Postings) -> Postings:
        """Gives these postings and then those of other passages, numbered by the same words or more."""
        new = len(others.starts) - len(self.starts)
        starts = np.concatenate([self.starts, np.repeat(self.starts[-1:], new)])
        places = np.repeat(starts[1:], others.holding)
        rows = np.insert(self.rows, places, others.rows + np.int32(self.passages))
        counts = np.insert(self.counts, places, others.counts)
        return Postings(rows, counts, starts + others.starts, self.passages + others.passages)

    def of_words(self, kept: NDArray[np.bool_]) -> Postings:
        """Gives the postings of some words, bool[words]; a passage holds none of the others."""
        starts = np.append(self.starts[:-1][kept], self.starts[-1])
        return Postings(self.rows, self.counts, starts, self.passages)
