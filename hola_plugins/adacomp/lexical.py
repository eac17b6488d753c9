"""BM25 over a whole corpus, or over the few passages that another search returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.lexical_arrays import as_arrays, from_arrays
from hola_plugins.adacomp.source import Float32, WordMatch
from hola_plugins.adacomp.words import words

Int64: TypeAlias = NDArray[np.int64]

_K1 = 1.5
_B = 0.75

_COMMON = 0.5
"""Words in more than this share of the passages are left out: they cost most and say least."""


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
        self._model: Any = _bm25(tokens, self._vocabulary) if self._vocabulary else None

    def __len__(self) -> int:
        return len(self.ids)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Gives what, with the ids, makes an index that scores the same; see `restore`."""
        return {} if self._model is None else as_arrays(self._vocabulary, self._model.scores)

    @classmethod
    def restore(cls, ids: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> LexicalIndex:
        """Makes an index of the passages with these ids, in their order, without reading a text.

        Raises:
            ValueError: Arrays that are no index of so many passages.
            ImportError: If bm25s is missing.
        """
        index = cls({})
        index.ids = tuple(ids)
        index._rows = {name: row for row, name in enumerate(index.ids)}
        if arrays:
            index._vocabulary, scores = from_arrays(arrays, len(index))
            index._model = _new_bm25()
            index._model.scores, index._model.nonoccurrence_array = scores, None
        return index

    def scores(self, query: str) -> Float32:
        """Scores every passage, float32[len(self)], 0 where no telling word is shared."""
        numbers = self._numbers(words(query))
        holders = self._holder_counts(numbers)
        telling = numbers[(holders > 0) & (holders <= _COMMON * len(self))]
        if self._model is None or not len(telling):
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

    def match(self, query: str, scores: Float32, ids: Sequence[str]) -> WordMatch:
        """Picks some passages out of the scores and finds the question's words in them.

        Args:
            query: The question.
            scores: Of every passage, from `scores`.
            ids: The passages; one that is not indexed matches nothing.
        """
        numbers = self._numbers(dict.fromkeys(words(query)))
        worth = rarity(self._holder_counts(numbers), len(self))
        rows = np.array([self._rows.get(name, len(self)) for name in ids], dtype=np.int64)
        holds = np.zeros((len(ids), len(numbers)), dtype=np.bool_)
        present = np.zeros(len(self) + 1, dtype=np.bool_)
        for column in np.flatnonzero((numbers >= 0) & (worth > 0.0)):
            holders = self._holders(numbers[column])
            present[holders] = True
            holds[:, column] = present[rows]
            present[holders] = False
        return WordMatch(np.append(scores, np.float32(0.0))[rows], holds, worth)

    def _number(self, word: str) -> int:
        return self._vocabulary.setdefault(word, len(self._vocabulary))

    def _numbers(self, asked: Iterable[str]) -> Int64:
        """Gives the number of each word, -1 for one that no passage holds."""
        return np.array([self._vocabulary.get(word, -1) for word in asked], dtype=np.int64)

    def _holder_counts(self, numbers: Int64) -> Int64:
        """Gives how many passages hold each word."""
        if self._model is None:
            return np.zeros(len(numbers), dtype=np.int64)
        starts = self._model.scores["indptr"]
        return np.where(numbers >= 0, starts[numbers + 1] - starts[numbers], 0).astype(np.int64)

    def _holders(self, number: int) -> Any:
        """Gives the rows of the passages that hold a word."""
        start, stop = self._model.scores["indptr"][number : number + 2]
        return self._model.scores["indices"][start:stop]


def match_among(query: str, texts: Sequence[str]) -> WordMatch:
    """Scores a few passages by BM25 with their own statistics, and finds the question's words in them."""
    asked = list(dict.fromkeys(words(query)))
    counts = [Counter(words(text)) for text in texts]
    frequency = np.array([[count[word] for word in asked] for count in counts], dtype=np.float32)
    frequency = frequency.reshape(len(texts), len(asked))
    lengths = np.array([max(count.total(), 1) for count in counts], dtype=np.float32).reshape(-1, 1)
    holds = frequency > 0.0
    holding = holds.sum(axis=0)
    weight = np.log1p((len(texts) - holding + 0.5) / (holding + 0.5)).astype(np.float32)
    norm = _K1 * (1.0 - _B + _B * lengths / max(float(lengths.mean()), 1.0)) if len(texts) else lengths
    scores: Float32 = ((frequency / (frequency + norm)) @ weight).astype(np.float32)
    return WordMatch(scores, holds, rarity(holding, len(texts)))


def rarity(holding: Any, passages: int) -> Float32:
    """Gives the worth of a word by how many passages hold it: ``log(1 + n / (1 + holding))``, 0 if most do."""
    worth = np.log1p(passages / (1.0 + np.asarray(holding, dtype=np.float64)))
    return np.where(holding > _COMMON * passages, 0.0, worth).astype(np.float32)


def _bm25(tokens: list[list[int]], vocabulary: dict[str, int]) -> Any:
    """Builds the bm25s model."""
    model = _new_bm25()
    model.index((tokens, vocabulary), create_empty_token=False, show_progress=False)
    return model


def _new_bm25() -> Any:
    """Gives an empty bm25s model."""
    try:
        import bm25s
    except ImportError as error:
        raise ImportError(
            "'bm25s' is not installed. Install it with: pip install 'hola-plugins[langchain]'"
        ) from error
    return bm25s.BM25(k1=_K1, b=_B, method="lucene")
