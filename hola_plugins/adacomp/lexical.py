"""BM25 over a whole corpus, or over the few passages that another search returned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.head_words import HeadIndex, HeadWords, WordLists, heads_of, lists_of
from hola_plugins.adacomp.lexical_arrays import as_arrays, from_arrays
from hola_plugins.adacomp.postings import Postings
from hola_plugins.adacomp.source import Float32, WordMatch
from hola_plugins.adacomp.words import words

Int64: TypeAlias = NDArray[np.int64]

_K1 = 1.5
_B = 0.75

_COMMON = 0.5
"""Words in more than this share of the passages are left out: they cost most and say least."""

_NO_WORDS = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an index knows of one question.

    Attributes:
        scores: BM25 score of every passage, float32[n], 0 where no telling word is shared.
        rarity: Worth of each distinct word of the question, float32[w].
        holders: Row of a passage for every telling word that it holds, int64[entries].
        columns: That word, by its place in the question, int64[entries].
        index: The index asked.
    """

    scores: Float32
    rarity: Float32
    holders: Int64
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
    """BM25 (Lucene's variant) over the texts of a corpus; it keeps their words, not the texts.

    Counts are kept, and scored with the statistics of the whole when a question comes, so that an index which was
    changed scores exactly as one made anew.

    Args:
        texts: Text of every passage by id.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        vocabulary: dict[str, int] = {}
        tokens = _numbered(texts.values(), vocabulary)
        postings = Postings.of(tokens, len(vocabulary))
        self._hold(tuple(texts), vocabulary, postings, heads_of(tokens), lists_of(postings))

    def __len__(self) -> int:
        return len(self.ids)

    def changed(self, kept: NDArray[np.bool_], added: Mapping[str, str]) -> LexicalIndex:
        """Gives the index of some of the passages, bool[len(self)], in their order, and then of others.

        No text but those of `added` is read, and a word that no passage holds any more is not kept.
        """
        if kept.all() and not added:
            return self
        vocabulary = dict(self.vocabulary)
        tokens = _numbered(added.values(), vocabulary)
        new = Postings.of(tokens, len(vocabulary))
        postings, lists = self._postings, self._heads.lists
        if not kept.all():
            postings, lists = postings.picked(kept), lists.picked(kept)
        postings, lists = postings.followed_by(new), lists.followed_by(lists_of(new))
        heads = np.concatenate([self._heads.numbers[kept], heads_of(tokens)])
        held = postings.holding > 0
        if not held.all():
            number = np.append(np.cumsum(held, dtype=np.int32) - np.int32(1), np.int32(-1))
            vocabulary = {word: place for place, word in enumerate(compress(vocabulary, held))}
            postings, lists, heads = postings.of_words(held), lists.renumbered(number), number[heads]
        index = object.__new__(LexicalIndex)
        index._hold((*compress(self.ids, kept), *added), vocabulary, postings, heads, lists)
        return index

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Gives what, with the ids, makes an index that scores the same; see `restore`."""
        return as_arrays(self.vocabulary, self._postings, self._heads.numbers) if self.vocabulary else {}

    @classmethod
    def restore(cls, ids: Sequence[str], arrays: Mapping[str, NDArray[Any]]) -> LexicalIndex:
        """Makes an index of the passages with these ids, in their order, without reading a text.

        Raises:
            ValueError: Arrays that are no index of so many passages.
        """
        if not arrays:
            return cls(dict.fromkeys(ids, ""))
        index = object.__new__(cls)
        vocabulary, postings, heads = from_arrays(arrays, len(ids))
        index._hold(tuple(ids), vocabulary, postings, heads, lists_of(postings))
        return index

    def ask(self, query: str) -> Asked:
        """Looks the words of a question up; a word that is asked twice counts twice."""
        asked = Counter(words(query))
        numbers = np.array([self.vocabulary.get(word, -1) for word in asked], dtype=np.int64)
        starts = self._postings.starts
        counts = np.where(numbers >= 0, starts[numbers + 1] - starts[numbers], 0)
        worth = rarity(counts, len(self))
        telling = np.flatnonzero((worth > 0.0) & (counts > 0))
        parts = [
            slice(start, start + count)
            for start, count in zip(starts[numbers[telling]].tolist(), counts[telling].tolist(), strict=True)
        ]
        holders = _joined(self._postings.rows, parts).astype(np.intp)
        times = np.fromiter(asked.values(), dtype=np.float32, count=len(asked))[telling]
        weight = times * _inverse_frequency(counts[telling], len(self))
        values = _joined(self._postings.counts, parts).astype(np.float32)
        values /= values + self._norm[holders]
        values *= np.repeat(weight, counts[telling])
        scores = np.zeros(len(self), dtype=np.float32)
        np.add.at(scores, holders, values)
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

    def _hold(
        self,
        ids: tuple[str, ...],
        vocabulary: dict[str, int],
        postings: Postings,
        heads: NDArray[np.int32],
        lists: WordLists,
    ) -> None:
        """Takes the words of the passages."""
        self.ids = ids
        self.vocabulary = vocabulary
        self._rows = {name: row for row, name in enumerate(ids)}
        self._postings = postings
        self._norm = _length_norm(postings.lengths)
        worth = np.append(rarity(postings.holding, len(ids)), np.float32(0.0))
        self._heads = HeadIndex(heads, worth, vocabulary, lists)


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
    weight = _inverse_frequency(holding, len(texts))
    norm = _length_norm(lengths)
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


def _numbered(texts: Iterable[str], vocabulary: dict[str, int]) -> list[list[int]]:
    """Gives the numbers of the words of texts; new words are added to the vocabulary."""
    return [[vocabulary.setdefault(word, len(vocabulary)) for word in words(text)] for text in texts]


def _inverse_frequency(holding: NDArray[np.int64], passages: int) -> Float32:
    """Gives the weight of words by how many passages hold them."""
    return np.log(1.0 + (passages - holding + 0.5) / (holding + 0.5)).astype(np.float32)


def _length_norm(lengths: NDArray[np.floating[Any]]) -> Float32:
    """Gives how many times a word must stand in each passage to count half, more in a long one."""
    mean = lengths.mean() if lengths.any() else 1.0
    return (_K1 * (1.0 - _B + _B * lengths / mean)).astype(np.float32)
