"""Passages and their vectors: added, replaced, deleted and searched by several threads at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

import numpy as np

from hola_plugins.adacomp.faiss_index import FaissIndex, Mask
from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.lexical import LexicalIndex
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.read_write_lock import ReadWriteLock
from hola_plugins.adacomp.snapshot import Snapshot
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.store_view import Indexed, LatestView, StoreView, check_counts
from hola_plugins.adacomp.vectors import as_vectors, checked_vectors, normalised, unit_query

_TOLERATED_DEAD = 1024
"""Deleted rows that are always left in the index."""


class PassageStore:
    """Holds passages by id.

    Every call sees the content of one moment; `view` gives one that several calls see.
    Deleted rows stay in the index, hidden, until they outnumber the others; the text goes at once, its words
    leave BM25 with the next question, the vector goes when the index is rebuilt or saved.

    Args:
        settings: Kind of index.
    """

    def __init__(self, settings: IndexSettings | None = None) -> None:
        self.settings = settings or IndexSettings()
        self._lock = ReadWriteLock()
        self._index: FaissIndex | None = None
        self._dimension = 0
        self._passages: dict[str, Passage] = {}
        self._rows: dict[str, int] = {}
        self._row_passages: list[Passage | None] = []
        self._alive: Mask = np.empty(0, dtype=np.bool_)
        self._revision = 0
        self._generation = 0
        self._latest = LatestView(self._take_view)

    def __len__(self) -> int:
        return len(self._passages)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "the content of a store is neither pickled nor copied: save it to a folder, and load it from there where it is wanted"
        )

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
        return self.view().texts

    def view(self, *, words: bool = False) -> StoreView:
        """Gives the present content, which later changes leave alone; made once a change, with BM25 if `words`."""
        return self._latest.get(self._revision, words=words)

    def lexical(self) -> LexicalIndex:
        """Gives BM25 over the present content, brought up to date once a change."""
        return self.view(words=True).lexical()

    def passages(self) -> tuple[Passage, ...]:
        """Gives every passage, in the order of adding."""
        with self._lock.reading():
            return tuple(self._passages.values())

    def get(self, ids: Sequence[str]) -> list[Passage]:
        """Gives the passages with these ids, in that order; unknown ids are left out."""
        with self._lock.reading():
            return [self._passages[one] for one in ids if one in self._passages]

    def vectors(self, ids: Sequence[str]) -> Float32:
        """Gives normalised vectors, float32[len(ids), dimension].

        Raises:
            KeyError: An id that is not there.
        """
        return self.view().vectors(ids)

    def search(
        self,
        vector: Float32,
        n: int,
        *,
        allowed_ids: Collection[str] | None = None,
        effort: int = 1,
    ) -> tuple[list[str], Float32]:
        """Finds the passages nearest to a vector; see `StoreView.search`."""
        return self.view().search(vector, n, allowed_ids=allowed_ids, effort=effort)

    def nearest(self, vector: Float32, n: int, *, effort: int = 1) -> tuple[list[Passage], Float32, Float32]:
        """Finds the passages nearest to a vector among all, without taking a view, which copies the ids.

        Args:
            vector: The query, float32[d]; it need not be normalised.
            n: Most passages wanted, at least 1.
            effort: Factor on nprobe or efSearch for this call alone, at least 1.

        Returns:
            Passages, best first, their cosine similarities, float32[m], and their vectors, float32[m, d].

        Raises:
            ValueError: A vector of another dimension or with a NaN or infinity, n or effort below 1.
        """
        check_counts(n, effort)
        with self._lock.reading():
            query = unit_query(vector, self._dimension)
            if self._index is None:
                return [], np.empty(0, dtype=np.float32), np.empty((0, 0), dtype=np.float32)
            alive = None if len(self._passages) == len(self._row_passages) else self._alive
            rows, scores = self._index.search(query, n, alive, effort)
            passages = [self._row_passages[row] for row in rows.tolist()]
            return [one for one in passages if one is not None], scores, self._index.read(rows)

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
            self._append(normalised(checked_vectors(some, self._dimension, list(last))))
            self._bury(last)
            self._register(kept)
            self._compact_if_sparse()

    def delete(self, ids: Collection[str] | None) -> None:
        """Deletes passages; unknown ids are left out, None deletes all."""
        with self._lock.writing():
            self._bury(self._passages if ids is None else ids)
            self._compact_if_sparse()

    def snapshot(self) -> Snapshot:
        """Copies the content without deleted rows; searches go on meanwhile, and so do changes while a graph is rebuilt.

        The store goes on with the rebuilt index, so that it answers as the snapshot does, unless it changed.
        """
        latest = self.view(words=True)
        with self._lock.reading():
            view = latest if latest.revision == self._revision else self._seen()
            if view.index is None:
                return Snapshot(self.settings, (), np.empty((0, 0), dtype=np.float32))
            vectors = view.index.read(np.flatnonzero(view.alive))
            arrays = view.index.arrays() if view.alive.all() else None
        lexical = view.lexical()
        if arrays is None:
            index = view.index.like(vectors)
            arrays = index.arrays()
            self._go_on_with(index, lexical, view.revision)
        return Snapshot(self.settings, view.passages, vectors, arrays, lexical.arrays())

    @classmethod
    def restore(cls, snapshot: Snapshot) -> PassageStore:
        """Makes a store that answers as the one the snapshot was taken of.

        Raises:
            ValueError: Vectors or arrays that do not fit the passages or one another.
        """
        store = cls(snapshot.settings)
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
            store._remember(LexicalIndex.restore(names, snapshot.lexical))
        return store

    def _take_view(self) -> StoreView:
        with self._lock.reading():
            return self._seen()

    def _seen(self) -> StoreView:
        """Gives the content as it is; the lock is held."""
        return StoreView(
            self._lock,
            self._index,
            self._alive.copy(),
            tuple(self._row_passages),
            dict(self._rows),
            self._revision,
            self._generation,
            self._latest.indexed,
        )

    def _remember(self, lexical: LexicalIndex) -> None:
        """Keeps BM25 over the content as it is; nobody else changes it meanwhile."""
        self._latest.indexed = Indexed(self._generation, self._alive.copy(), lexical)
        view = self._seen()
        view.lexical()
        self._latest.put(view)

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
            self._latest.put(None)

    def _append(self, vectors: Float32) -> None:
        """Adds rows, which `_register` must name."""
        if self._index is None:
            self._dimension = vectors.shape[1]
            self._index = FaissIndex(self.settings, self._dimension)
        self._index.add(vectors)

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
        index = None
        if self._index is not None and self._passages:
            index = self._index.like(self._index.read(np.flatnonzero(self._alive)))
        self._replace(index)

    def _go_on_with(self, index: FaissIndex, lexical: LexicalIndex, revision: int) -> None:
        """Puts a rebuilt index in place and keeps BM25, if the content is still what they were built of."""
        with self._lock.writing():
            if self._revision == revision:
                self._replace(index)
                self._remember(lexical)

    def _replace(self, index: FaissIndex | None) -> None:
        """Puts an index of the passages in use, in their order, in the place of the present one."""
        passages = tuple(self._passages.values())
        self._index, self._dimension = index, 0 if index is None else index.dimension
        self._passages, self._rows, self._row_passages = {}, {}, []
        self._alive = np.empty(0, dtype=np.bool_)
        self._generation += 1
        self._latest.indexed = None
        self._register(passages)
