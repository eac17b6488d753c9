"""Passages and their vectors: added, replaced, deleted and searched by several threads at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from hola_plugins.adacomp.faiss_index import FaissIndex, Mask
from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.lexical import LexicalIndex
from hola_plugins.adacomp.lexical_cache import LexicalCache
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.read_write_lock import ReadWriteLock
from hola_plugins.adacomp.snapshot import Snapshot
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.vectors import as_vectors, checked_vectors, normalised

_TOLERATED_DEAD = 1024
"""Deleted rows that are always left in the index."""


class PassageStore:
    """Holds passages by id; implements `hola_plugins.adacomp.source.VectorIndex`.

    Deleted rows stay in the index, hidden, until they outnumber the others; the text goes at once, the vector
    when the index is rebuilt or saved.

    Args:
        settings: Kind of index.
        as_document: Makes the host's document of a passage; gives the passage itself if None.
    """

    def __init__(
        self, settings: IndexSettings | None = None, as_document: Callable[[Passage], Any] | None = None
    ) -> None:
        self.settings = settings or IndexSettings()
        self._as_document = as_document or (lambda passage: passage)
        self._lock = ReadWriteLock()
        self._index: FaissIndex | None = None
        self._dimension = 0
        self._passages: dict[str, Passage] = {}
        self._rows: dict[str, int] = {}
        self._row_passages: list[Passage | None] = []
        self._alive: Mask = np.empty(0, dtype=np.bool_)
        self._revision = 0
        self._texts: tuple[int, Mapping[str, str]] = (0, MappingProxyType({}))
        self._lexical = LexicalCache()

    def __len__(self) -> int:
        return len(self._passages)

    @property
    def dimension(self) -> int:
        """Length of every vector; 0 while nothing was added."""
        return self._dimension

    @property
    def revision(self) -> int:
        """A number that changes with every change of the content."""
        return self._revision

    @property
    def texts(self) -> Mapping[str, str]:
        """Text of every passage by id, in the order of adding; later changes leave it alone."""
        return self._revision_and_texts()[1]

    def lexical(self) -> LexicalIndex:
        """Gives BM25 over the present content, built once a change."""
        return self._lexical.get(*self._revision_and_texts())

    def passages(self) -> tuple[Passage, ...]:
        """Gives every passage, in the order of adding."""
        with self._lock.reading():
            return tuple(self._passages.values())

    def get(self, ids: Sequence[str]) -> list[Passage]:
        """Gives the passages with these ids, in that order; unknown ids are left out."""
        with self._lock.reading():
            return [self._passages[one] for one in ids if one in self._passages]

    def documents(self, ids: Sequence[str]) -> list[Any]:
        """Gives the host's documents of these ids, in that order; unknown ids are left out."""
        return [self._as_document(passage) for passage in self.get(ids)]

    def vectors(self, ids: Sequence[str]) -> Float32:
        """Gives normalised vectors, float32[len(ids), dimension].

        Raises:
            KeyError: An id that is not there.
        """
        with self._lock.reading():
            rows = np.array([self._rows[one] for one in ids], dtype=np.int64)
            if self._index is None:
                return np.empty((0, self._dimension), dtype=np.float32)
            return self._index.read(rows)

    def search(
        self,
        vector: Float32,
        n: int,
        *,
        allowed_ids: Collection[str] | None = None,
        effort: int = 1,
    ) -> tuple[list[str], Float32]:
        """Finds the passages nearest to a vector; see `VectorIndex.search`."""
        allowed = None if allowed_ids is None else lambda: self._rows_of_ids(allowed_ids)
        passages, scores, _ = self._nearest(vector, n, allowed, effort, read=False)
        return [passage.id for passage in passages], scores

    def nearest(
        self, vector: Float32, n: int, *, allowed: Collection[Passage] | None = None, effort: int = 1
    ) -> tuple[list[Passage], Float32, Float32]:
        """Finds the passages nearest to a vector, as they stand at that moment.

        Args:
            vector: The query, float32[d]; it need not be normalised.
            n: Most passages wanted, at least 1.
            allowed: Search among these only; one that was replaced or deleted since is not found.
            effort: Factor on nprobe or efSearch for this call alone, at least 1.

        Returns:
            Passages, best first, their cosine similarities and their vectors, float32[m, d].

        Raises:
            ValueError: A vector of another dimension or with a NaN or infinity, n or effort below 1.
        """
        rows = None if allowed is None else lambda: self._rows_of_passages(allowed)
        return self._nearest(vector, n, rows, effort, read=True)

    def add(self, passages: Sequence[Passage], vectors: Float32 | Sequence[Sequence[float]]) -> None:
        """Adds passages; one whose id is there already, or comes again later in the call, is replaced.

        Args:
            passages: The passages.
            vectors: Their embeddings, float32[len(passages), dimension]; need not be normalised.

        Raises:
            ValueError: Vectors of another number or dimension, or with a NaN or infinity; nothing is added.
        """
        if len(passages) != len(vectors):
            raise ValueError(f"{len(passages)} passages need as many vectors, got {len(vectors)}")
        if not passages:
            return
        last = {passage.id: place for place, passage in enumerate(passages)}
        kept = [passages[place] for place in last.values()]
        some = as_vectors(vectors)[list(last.values())]
        with self._lock.writing():
            some = normalised(checked_vectors(some, self._dimension, list(last)))
            self._bury(last)
            self._append(kept, some)
            self._compact_if_sparse()

    def delete(self, ids: Collection[str] | None) -> None:
        """Deletes passages; unknown ids are left out, None deletes all."""
        with self._lock.writing():
            self._bury(self._passages if ids is None else ids)
            self._compact_if_sparse()

    def snapshot(self) -> Snapshot:
        """Copies the content; deleted rows are dropped first, which rebuilds a graph that has some."""
        with self._lock.writing():
            if not self._alive.all():
                self._compact()
            if self._index is None:
                return Snapshot(self.settings, (), np.empty((0, 0), dtype=np.float32))
            vectors, arrays = self._index.read(np.arange(len(self._index))), self._index.arrays()
            passages, revision = tuple(self._passages.values()), self._revision
        lexical = self._lexical.get(revision, {one.id: one.text for one in passages})
        return Snapshot(self.settings, passages, vectors, arrays, lexical.arrays())

    @classmethod
    def restore(cls, snapshot: Snapshot, as_document: Callable[[Passage], Any] | None = None) -> PassageStore:
        """Makes a store that answers as the one the snapshot was taken of.

        Raises:
            ValueError: Vectors or arrays that do not fit the passages or one another.
        """
        store = cls(snapshot.settings, as_document)
        vectors, passages = snapshot.vectors, snapshot.passages
        if len(vectors) != len(passages):
            raise ValueError(f"{len(passages)} passages need as many vectors, got {len(vectors)}")
        names = [passage.id for passage in passages]
        if len(set(names)) < len(names):
            raise ValueError("two passages have the same id")
        if passages:
            store._index = FaissIndex.restore(
                snapshot.settings, checked_vectors(vectors, 0, names), snapshot.arrays
            )
            store._dimension = vectors.shape[1]
            store._register(passages)
        if snapshot.lexical is not None:
            lexical = LexicalIndex.restore(names, snapshot.lexical, [passage.text for passage in passages])
            store._lexical = LexicalCache(store._revision, lexical)
        return store

    def _revision_and_texts(self) -> tuple[int, Mapping[str, str]]:
        """Gives the texts and the revision that they are of."""
        current = self._texts
        if current[0] != self._revision:
            with self._lock.reading():
                texts = MappingProxyType({one.id: one.text for one in self._passages.values()})
                current = self._texts = self._revision, texts
        return current

    def _nearest(
        self, vector: Float32, n: int, allowed: Callable[[], list[int]] | None, effort: int, *, read: bool
    ) -> tuple[list[Passage], Float32, Float32]:
        """Searches under the lock, among the rows that ``allowed`` gives there; vectors only where they are read."""
        for name, value in (("n", n), ("effort", effort)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        query = np.asarray(vector, dtype=np.float32).reshape(1, -1)
        with self._lock.reading():
            query = normalised(checked_vectors(query, self._dimension, ["the query"]))[0]
            if self._index is None:
                return [], np.empty(0, dtype=np.float32), np.empty((0, 0), dtype=np.float32)
            rows, scores = self._index.search(query, n, self._mask(allowed), effort)
            passages = [self._row_passages[row] for row in rows.tolist()]
            vectors = self._index.read(rows if read else rows[:0])
            return [one for one in passages if one is not None], scores, vectors

    def _mask(self, allowed: Callable[[], list[int]] | None) -> Mask | None:
        """Gives the rows that a search may find, bool[rows]; None for all."""
        if allowed is None:
            return None if len(self._passages) == len(self._row_passages) else self._alive
        mask = np.zeros(len(self._row_passages), dtype=np.bool_)
        mask[allowed()] = True
        return mask

    def _rows_of_ids(self, ids: Collection[str]) -> list[int]:
        """Gives the rows of these ids; unknown ids are left out."""
        return [self._rows[one] for one in ids if one in self._rows]

    def _rows_of_passages(self, passages: Collection[Passage]) -> list[int]:
        """Gives the rows of these passages, if they are still there."""
        return [self._rows[one.id] for one in passages if self._passages.get(one.id) is one]

    def _bury(self, ids: Collection[str]) -> None:
        """Hides the rows of some passages and drops their texts."""
        for one in tuple(ids):
            row = self._rows.pop(one, None)
            if row is None:
                continue
            del self._passages[one]
            self._row_passages[row] = None
            self._alive[row] = False
            self._revision += 1

    def _append(self, passages: Sequence[Passage], vectors: Float32) -> None:
        """Adds passages whose ids are not there."""
        if self._index is None:
            self._dimension = vectors.shape[1]
            self._index = FaissIndex(self.settings, self._dimension)
        self._index.add(vectors)
        self._register(passages)

    def _register(self, passages: Sequence[Passage]) -> None:
        """Names the rows that were added last."""
        first = len(self._row_passages)
        for row, passage in enumerate(passages, first):
            self._passages[passage.id] = passage
            self._rows[passage.id] = row
            self._row_passages.append(passage)
        self._alive = np.concatenate([self._alive, np.ones(len(passages), dtype=np.bool_)])
        self._revision += 1

    def _compact_if_sparse(self) -> None:
        """Drops hidden rows once they outnumber the others, or nothing else is left."""
        live = len(self._passages)
        if not live or len(self._row_passages) - live > live + _TOLERATED_DEAD:
            self._compact()

    def _compact(self) -> None:
        """Rebuilds the index from the rows in use, in their order, keeping the clusters it was trained to."""
        rows = np.flatnonzero(self._alive)
        passages = tuple(self._passages.values())
        index, self._index = self._index, None
        self._passages, self._rows, self._row_passages = {}, {}, []
        self._alive = np.empty(0, dtype=np.bool_)
        self._dimension = 0
        if index is not None and passages:
            self._dimension = index.dimension
            self._index = index.rebuilt(rows)
            self._register(passages)
