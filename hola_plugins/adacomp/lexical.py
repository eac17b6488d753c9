"""BM25 over a whole corpus, or over the few passages that another search returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.head_words import HeadIndex, HeadWords, WordLists, heads_of, listed_by_passage
from hola_plugins.adacomp.lexical_arrays import as_arrays, from_arrays
from hola_plugins.adacomp.source import Float32, WordMatch
from hola_plugins.adacomp.words import words

Int64: TypeAlias = NDArray[np.int64]

Matrix: TypeAlias = Mapping[str, Any]
"""The score of every word in every passage that holds it, sparse, by word; see `lexical_arrays`."""

_K1 = 1.5
_B = 0.75

_COMMON = 0.5
"""Words in more than this share of the passages are left out: they cost most and say least."""

_NO_WORDS = np.zeros(0, dtype=np.int32)

_EMPTY: Matrix = {
    "data": np.zeros(0, dtype=np.float32),
    "indices": np.zeros(0, dtype=np.int32),
    "indptr": np.zeros(1, dtype=np.int64),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an index knows of one question.

    Attributes:
        scores: BM25 score of every passage, float32[n], 0 where no telling word is shared.
        rarity: Worth of each distinct word of the question, float32[w].
        holders: Row of a passage for every telling word that it holds, int[entries].
        columns: That word, by its place in the question, int64[entries].
        index: The index asked.
    """

    scores: Float32
    rarity: Float32
    holders: NDArray[Any]
    columns: Int64
    index: LexicalIndex

    def match(self, rows: Int64) -> WordMatch:
        """Picks the passages in these rows and says which of the words they hold."""
        places = np.zeros(len(self.scores), dtype=np.int32)
        places[rows] = np.arange(1, len(rows) + 1)
        place = places[self.holders]
        among = np.flatnonzero(place)
        holds = np.zeros((len(rows), len(self.rarity)), dtype=np.bool_)
        holds[place[among] - 1, self.columns[among]] = True
        return WordMatch(self.scores[rows], holds, self.rarity, self.index.heads(rows))


class LexicalIndex:
    """BM25 (Lucene's variant, by bm25s) over the texts of a corpus.

    Args:
        texts: Text of every passage by id.

    Raises:
        ImportError: If bm25s is missing.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.ids: tuple[str, ...] = tuple(texts)
        self.texts: tuple[str, ...] = tuple(texts.values())
        self._rows = {name: row for row, name in enumerate(self.ids)}
        self.vocabulary: dict[str, int] = {}
        tokens = [[self._number(word) for word in words(text)] for text in texts.values()]
        self._matrix = _bm25(tokens, self.vocabulary) if self.vocabulary else _EMPTY
        self._set_heads(heads_of(tokens))

    def __len__(self) -> int:
        return len(self.ids)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Gives what, with the ids, makes an index that scores the same; see `restore`."""
        return as_arrays(self.vocabulary, self._matrix, self._heads.numbers) if self.vocabulary else {}

    @classmethod
    def restore(
        cls, ids: Sequence[str], arrays: Mapping[str, NDArray[Any]], texts: Sequence[str]
    ) -> LexicalIndex:
        """Makes an index of the passages with these ids and texts, in their order, without reading a text.

        Raises:
            ValueError: Arrays that are no index of so many passages.
        """
        index = cls({})
        index.ids, index.texts = tuple(ids), tuple(texts)
        index._rows = {name: row for row, name in enumerate(index.ids)}
        heads = heads_of([()] * len(index))
        if arrays:
            index.vocabulary, index._matrix, heads = from_arrays(arrays, len(index))
        index._set_heads(heads)
        return index

    def ask(self, query: str) -> Asked:
        """Looks the words of a question up; a word that is asked twice counts twice."""
        asked = Counter(words(query))
        numbers = np.array([self.vocabulary.get(word, -1) for word in asked], dtype=np.int64)
        starts = self._matrix["indptr"]
        counts = np.where(numbers >= 0, starts[numbers + 1] - starts[numbers], 0)
        worth = rarity(counts, len(self))
        telling = np.flatnonzero((worth > 0.0) & (counts > 0))
        parts = [
            slice(start, start + count)
            for start, count in zip(starts[numbers[telling]].tolist(), counts[telling].tolist(), strict=True)
        ]
        times = np.fromiter(asked.values(), dtype=np.float32, count=len(asked))[telling]
        holders = _joined(self._matrix["indices"], parts)
        scores = np.zeros(len(self), dtype=np.float32)
        values = _joined(self._matrix["data"], parts)
        np.add.at(
            scores, holders, values if (times == 1.0).all() else values * np.repeat(times, counts[telling])
        )
        return Asked(scores, worth, holders, np.repeat(telling, counts[telling]), self)

    def scores(self, query: str) -> Float32:
        """Scores every passage, float32[len(self)], 0 where no telling word is shared."""
        return self.ask(query).scores

    def best(self, scores: Float32, n: int) -> list[int]:
        """Gives the rows of the n highest positive scores, n at least 1, best first; of equal ones the first rows."""
        rows = np.flatnonzero(scores > 0.0)
        values = scores[rows]
        if len(rows) > n:
            reaching = values >= np.partition(values, len(rows) - n)[len(rows) - n]
            rows, values = rows[reaching], values[reaching]
        return [*rows[np.argsort(-values, kind="stable")][:n].tolist()]

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Gives the rows of the ids that are indexed."""
        return [row for name in ids if (row := self._rows.get(name)) is not None]

    def heads(self, rows: Int64) -> HeadWords:
        """Gives the first words of the passages in these rows."""
        return HeadWords(self._heads, rows)

    def _set_heads(self, heads: NDArray[np.int32]) -> None:
        """Keeps the first words of every passage."""
        starts = self._matrix["indptr"]
        worth = np.append(rarity(np.diff(starts), len(self)), np.float32(0.0))
        lists = listed_by_passage(self._matrix["indices"], starts, len(self))
        self._heads = HeadIndex(heads, worth, self.vocabulary, lists)

    def _number(self, word: str) -> int:
        return self.vocabulary.setdefault(word, len(self.vocabulary))


def match_among(query: str, texts: Sequence[str]) -> WordMatch:
    """Scores a few passages by BM25 with their own statistics, and finds the question's words in them."""
    asked = list(dict.fromkeys(words(query)))
    tokens = [words(text) for text in texts]
    counts = [Counter(found) for found in tokens]
    frequency = np.array([[count[word] for word in asked] for count in counts], dtype=np.float32)
    frequency = frequency.reshape(len(texts), len(asked))
    lengths = np.array([max(count.total(), 1) for count in counts], dtype=np.float32).reshape(-1, 1)
    holds = frequency > 0.0
    holding = holds.sum(axis=0)
    weight = np.log1p((len(texts) - holding + 0.5) / (holding + 0.5)).astype(np.float32)
    norm = _K1 * (1.0 - _B + _B * lengths / max(float(lengths.mean()), 1.0)) if len(texts) else lengths
    scores: Float32 = ((frequency / (frequency + norm)) @ weight).astype(np.float32)
    return WordMatch(scores, holds, rarity(holding, len(texts)), _heads_among(tokens))


def _heads_among(tokens: Sequence[Sequence[str]]) -> HeadWords:
    """Gives the first words of a few passages, worth by how many of these hold them."""
    vocabulary: dict[str, int] = {}
    numbers = [[vocabulary.setdefault(word, len(vocabulary)) for word in found] for found in tokens]
    distinct = [np.unique(np.array(found, dtype=np.int32)) for found in numbers]
    holding = np.bincount(np.concatenate([*distinct, _NO_WORDS]), minlength=len(vocabulary))
    worth = np.append(rarity(holding, len(tokens)), np.float32(0.0))
    starts = np.cumsum([0, *(len(found) for found in distinct)])
    lists = WordLists(np.concatenate([*distinct, _NO_WORDS]), starts)
    return HeadWords(HeadIndex(heads_of(numbers), worth, vocabulary, lists), np.arange(len(tokens)))


def rarity(holding: Any, passages: int) -> Float32:
    """Gives the worth of a word by how many passages hold it: ``log(1 + n / (1 + holding))``, 0 if most do."""
    worth = np.log1p(passages / (1.0 + np.asarray(holding, dtype=np.float64)))
    return np.where(holding > _COMMON * passages, 0.0, worth).astype(np.float32)


def _joined(values: NDArray[Any], parts: Sequence[slice]) -> NDArray[Any]:
    """Puts some parts of an array one after the other."""
    return np.concatenate([values[part] for part in parts]) if parts else values[:0]


def _bm25(tokens: list[list[int]], vocabulary: dict[str, int]) -> Matrix:
    """Scores every word in every passage that holds it."""
    try:
        import bm25s
    except ImportError as error:
        raise ImportError(
            "'bm25s' is not installed. Install it with: pip install 'hola-plugins[langchain]'"
        ) from error
    model = bm25s.BM25(k1=_K1, b=_B, method="lucene")
    model.index((tokens, vocabulary), create_empty_token=False, show_progress=False)
    scores: Matrix = model.scores
    return scores
