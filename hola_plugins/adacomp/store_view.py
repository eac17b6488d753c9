"""The content of a store at one moment, so that a query of several steps sees one state of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from hola_plugins.adacomp.faiss_index import FaissIndex, Mask, Rows
from hola_plugins.adacomp.lexical import LexicalIndex
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.read_write_lock import ReadWriteLock
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.vectors import unit_query


@dataclass(frozen=True, slots=True)
class Indexed:
    """BM25 as it was built last.

    Attributes:
        generation: That of the rows; see `StoreView`.
        alive: The rows that it covers, bool[rows].
        lexical: BM25 over these, in their order.
    """

    generation: int
    alive: Mask
    lexical: LexicalIndex


class StoreView:
    """What a store held at one revision: what the method searches, in any number of threads.

    Rows of an index are appended and never moved, so that a view is a mask of the rows of its moment: later
    rows are not found, and deleted ones still are.

    Args:
        lock: The store's; searches read under it, since the index may be growing.
        index: The index; None while the store is empty.
        alive: The rows in use, bool[rows].
        row_passages: Passage of every row; None for one that was deleted.
        rows: Row of every id, in the order of adding.
        revision: The store's at that moment.
        generation: A number that changes when the rows are numbered anew.
        indexed: BM25 over the content or over an earlier one; None where there is none yet.
    """

    def __init__(
        self,
        lock: ReadWriteLock,
        index: FaissIndex | None,
        alive: Mask,
        row_passages: Sequence[Passage | None],
        rows: Mapping[str, int],
        revision: int,
        generation: int,
        indexed: Indexed | None,
    ) -> None:
        self.index = index
        self.alive = alive
        self.revision = revision
        self._lock = lock
        self._row_passages = row_passages
        self._rows = rows
        self._generation = generation
        self._indexed = indexed
        self._lexical: LexicalIndex | None = None
        self._building = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dimension(self) -> int:
        """Length of every vector; 0 in an empty store."""
        return 0 if self.index is None else self.index.dimension

    @property
    def has_words(self) -> bool:
        """Whether BM25 was built."""
        return self._lexical is not None

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """Every passage, in the order of adding."""
        return tuple(filter(None, self._row_passages))

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """Text of every passage by id, in the order of adding."""
        return MappingProxyType({one.id: one.text for one in self.passages})

    def lexical(self) -> LexicalIndex:
        """Gives BM25 over the content, made once: of the earlier one where rows came and went, else of all texts."""
        with self._building:
            if self._lexical is None:
                before, self._indexed = self._indexed, None
                if before is None or before.generation != self._generation:
                    self._lexical = LexicalIndex(self.texts)
                else:
                    self._lexical = self._changed(before)
            return self._lexical

    def indexed(self) -> Indexed:
        """Gives BM25 over the content, for the view of a later one."""
        return Indexed(self._generation, self.alive, self.lexical())

    def _changed(self, before: Indexed) -> LexicalIndex:
        """Gives BM25 over the content, made of that over an earlier one."""
        rows = len(before.alive)
        added = {one.id: one.text for one in self._row_passages[rows:] if one is not None}
        return before.lexical.changed(self.alive[:rows][before.alive], added)

    def get(self, ids: Sequence[str]) -> list[Passage]:
        """Gives the passages with these ids, in that order; unknown ids are left out."""
        found = [self._row_passages[self._rows[one]] for one in ids if one in self._rows]
        return [one for one in found if one is not None]

    def vectors(self, ids: Sequence[str]) -> Float32:
        """Gives normalised vectors, float32[len(ids), dimension]; a KeyError names an unknown id."""
        return self.read(np.array([self._rows[one] for one in ids], dtype=np.int64))

    def read(self, rows: Rows) -> Float32:
        """Gives the vectors of rows, float32[len(rows), dimension]."""
        if self.index is None:
            return np.empty((0, 0), dtype=np.float32)
        with self._lock.reading():
            return self.index.read(rows)

    def search(
        self, vector: Float32, n: int, *, allowed_ids: Collection[str] | None = None, effort: int = 1
    ) -> tuple[list[str], Float32]:
        """Finds the passages nearest to a vector.

        Args:
            vector: The query, float32[d]; it need not be normalised.
            n: Most passages wanted, at least 1; fewer come back where there are fewer.
            allowed_ids: Search among these only (before the search, not after it); None allows all.
            effort: Factor on nprobe or efSearch for this call alone, at least 1; a flat index ignores it.

        Returns:
            Ids, best first, and their cosine similarities, float32[m] with m <= n.

        Raises:
            ValueError: A vector of another dimension or with a NaN or infinity, n or effort below 1.
        """
        check_counts(n, effort)
        query = unit_query(vector, self.dimension)
        if self.index is None:
            return [], np.empty(0, dtype=np.float32)
        with self._lock.reading():
            rows, scores = self.index.search(query, n, self._mask(allowed_ids), effort)
        passages = [self._row_passages[row] for row in rows.tolist()]
        return [one.id for one in passages if one is not None], scores

    def _mask(self, allowed_ids: Collection[str] | None) -> Mask | None:
        """Gives the rows that a search may find, bool[rows]; None for all that the index has."""
        if allowed_ids is None:
            everything = self.index is not None and len(self._rows) == len(self.index)
            return None if everything else self.alive
        mask = np.zeros(len(self.alive), dtype=np.bool_)
        mask[[self._rows[one] for one in allowed_ids if one in self._rows]] = True
        return mask


class LatestView:
    """The newest view of a store, taken at most once a change, by one thread at a time.

    Args:
        take: Takes a view of the present content.

    Attributes:
        indexed: BM25 as it was built last, from which that of the next view is made; it holds no text.
    """

    def __init__(self, take: Callable[[], StoreView]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._view: StoreView | None = None
        self.indexed: Indexed | None = None

    def get(self, revision: int, *, words: bool) -> StoreView:
        """Gives a view of this revision or a later one, with BM25 over it if there must be `words`.

        Whoever waited for another thread's view takes that one, if it is new enough.
        """
        view = self._view
        if view is not None and view.revision >= revision and (view.has_words or not words):
            return view
        with self._lock:
            view = self._view
            if view is None or view.revision < revision:
                view = self._view = self._take()
            if words:
                self.indexed = view.indexed()
            return view

    def put(self, view: StoreView | None) -> None:
        """Sets the newest view; None forgets it, and with it the passages that only it holds."""
        self._view = view


def check_counts(n: int, effort: int) -> None:
    """Checks the numbers of a search.

    Raises:
        ValueError: One under 1.
    """
    for name, value in (("n", n), ("effort", effort)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
