"""BM25 over a whole corpus, or over the few passages that another search returned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.words import words

_K1 = 1.5
_B = 0.75

_COMMON = 0.5
"""Query words in more than this share of the passages are left out: they cost most and say least."""


class LexicalIndex:
    """BM25 (Lucene's variant, by bm25s) over the texts of a corpus.

    Args:
        texts: Text of every passage by id.

    Raises:
        ImportError: If bm25s is missing.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.ids: tuple[str, ...] = tuple(texts)
        self._rows = {name: row for row, name in enumerate(self.ids)}
        self._vocabulary: dict[str, int] = {}
        tokens = [[self._number(word) for word in words(text)] for text in texts.values()]
        self._model = _bm25(tokens, self._vocabulary) if self._vocabulary else None
        self._starts: Any = None if self._model is None else self._model.scores["indptr"]

    def __len__(self) -> int:
        return len(self.ids)

    def scores(self, query: str) -> Float32:
        """Scores every passage, float32[len(self)], 0 where no word is shared."""
        known = [n for word in words(query) if (n := self._vocabulary.get(word)) is not None]
        telling = [n for n in known if self._frequency(n) <= _COMMON * len(self)] or known
        if self._model is None or not telling:
            return np.zeros(len(self), dtype=np.float32)
        return np.asarray(self._model.get_scores_from_ids(telling), dtype=np.float32)

    def best(self, scores: Float32, n: int) -> list[int]:
        """Gives the rows of the n highest positive scores, best first."""
        n = min(n, len(scores))
        rows = np.argpartition(-scores, n - 1)[:n] if n else np.zeros(0, dtype=np.int64)
        rows = rows[np.lexsort((rows, -scores[rows]))]
        return [int(row) for row in rows if scores[row] > 0.0]

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Gives the rows of the ids that are indexed."""
        return [row for name in ids if (row := self._rows.get(name)) is not None]

    def of(self, scores: Float32, ids: Sequence[str]) -> Float32:
        """Picks the scores of some ids, float32[len(ids)], 0 for one that is not indexed."""
        padded = np.append(scores, np.float32(0.0))
        return padded[[self._rows.get(name, -1) for name in ids]]

    def _number(self, word: str) -> int:
        return self._vocabulary.setdefault(word, len(self._vocabulary))

    def _frequency(self, number: int) -> int:
        return int(self._starts[number + 1] - self._starts[number])


def score_among(query: str, texts: Sequence[str]) -> Float32:
    """Scores a few passages by BM25 with their own statistics, float32[len(texts)]."""
    counts = [Counter(words(text)) for text in texts]
    lengths = np.array([max(sum(count.values()), 1) for count in counts], dtype=np.float32)
    scores = np.zeros(len(texts), dtype=np.float32)
    for word in set(words(query)):
        frequency = np.array([count[word] for count in counts], dtype=np.float32)
        holding = int(np.count_nonzero(frequency))
        if holding:
            rarity = math.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
            scores += rarity * frequency / (frequency + _K1 * (1.0 - _B + _B * lengths / lengths.mean()))
    return scores


def _bm25(tokens: list[list[int]], vocabulary: dict[str, int]) -> Any:
    """Builds the bm25s model."""
    try:
        import bm25s
    except ImportError as error:
        raise ImportError(
            "'bm25s' is not installed. Install it with: pip install 'hola-plugins[langchain]'"
        ) from error
    model = bm25s.BM25(k1=_K1, b=_B, method="lucene")
    model.index((tokens, vocabulary), create_empty_token=False, show_progress=False)
    return model
