"""Words of a text, found again in another inflection: closes and closed are one word to a reader."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile

_STEM = 4
"""Letters that two inflections begin with in common, at least."""

_SHARE = 2 / 3
"""Share of the longer one that those letters are, at least."""


class Vocabulary:
    """Words that may be asked for in any inflection that begins alike.

    Args:
        words: The words.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._stems: dict[str, list[str]] = defaultdict(list)
        for word in self._words:
            self._stems[word[:_STEM]].append(word)

    def __contains__(self, word: str) -> bool:
        return word in self._words or any(_alike(word, other) for other in self._stems.get(word[:_STEM], ()))


def _alike(one: str, other: str) -> bool:
    """Says whether two words begin alike for most of their length."""
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
    return common >= max(_STEM, _SHARE * max(len(one), len(other)))
