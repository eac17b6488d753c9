"""The first words of a passage: its title, or what it begins to speak of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEAD = 6
"""Words that count as a passage's beginning."""


@dataclass(frozen=True, slots=True)
class HeadWords:
    """The first words of some passages.

    Attributes:
        numbers: The distinct ones of each passage, -1 where there are fewer, int32[n, HEAD].
        worth: Worth of each, 0 for common words and for none, float32[n, HEAD].
        vocabulary: Number of every word of the corpus.
    """

    numbers: NDArray[np.int32]
    worth: NDArray[np.float32]
    vocabulary: Mapping[str, int]

    def picked(self, rows: NDArray[np.int64]) -> HeadWords:
        """Gives the passages in these rows, in that order."""
        return HeadWords(self.numbers[rows], self.worth[rows], self.vocabulary)

    def holding(self, words: Iterable[str]) -> NDArray[np.bool_]:
        """Marks which of the first words are among some words, bool[n, HEAD]."""
        marks = np.zeros(len(self.vocabulary) + 1, dtype=np.bool_)  # the last place is that of no word
        marks[[self.vocabulary[word] for word in words if word in self.vocabulary]] = True
        return marks[self.numbers]


def heads_of(passages: Iterable[Sequence[int]]) -> NDArray[np.int32]:
    """Gives the distinct numbers among the first words of each passage, -1 where there are fewer, int32[n, HEAD].

    Args:
        passages: Numbers of the words of each passage, in order.
    """
    firsts = [[*dict.fromkeys(numbers[:HEAD])] for numbers in passages]
    padded = [first + [-1] * (HEAD - len(first)) for first in firsts]
    return np.array(padded, dtype=np.int32).reshape(len(padded), HEAD)
