"""The three faiss indexes behind one face: rows are appended, searched and read back, never moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.hnsw_graph import graph_arrays, restore_graph
from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.source import Float32
from hola_plugins.files.array_file import of_type

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

TRAINING_VECTORS = 39
"""Vectors a cluster that faiss wants before it trains without a warning."""


def load_faiss() -> Any:
    """Imports faiss.

    Raises:
        ImportError: If it is not installed; names the extra.
    """
    try:
        import faiss
    except ImportError as error:
        message = "'faiss' is not installed. Install it with: pip install 'hola-plugins[langchain]'"
        raise ImportError(message) from error
    return faiss


class FaissIndex:
    """Vectors by row number, inner product.

    Not locked: one writer alone, or any number of readers. Every search passes its own parameters, so that
    concurrent searches with different efforts cannot disturb one another.

    Args:
        settings: Kind and size.
        dimension: Length of every vector.
    """

    def __init__(self, settings: IndexSettings, dimension: int) -> None:
        self._faiss = load_faiss()
        self._settings = settings
        self._dimension = dimension
        self._index = self._new_graph() if settings.kind == "hnsw" else self._new_flat()

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._dimension

    @property
    def exact(self) -> bool:
        """Whether every search is exact: a flat index, or too few vectors yet to train clusters on."""
        return isinstance(self._index, self._faiss.IndexFlat)

    def add(self, vectors: Float32) -> None:
        """Appends normalised vectors, float32[n, dimension]."""
        self._index.add(np.ascontiguousarray(vectors))
        settings = self._settings
        if settings.kind == "ivf" and self.exact and len(self) >= TRAINING_VECTORS * settings.lists:
            self._train()

    def read(self, rows: Rows) -> Float32:
        """Reads vectors back, float32[len(rows), dimension]."""
        if not len(rows):
            return np.empty((0, self._dimension), dtype=np.float32)
        return np.asarray(self._index.reconstruct_batch(rows), dtype=np.float32)

    def search(self, vector: Float32, n: int, allowed: Mask | None, effort: int) -> tuple[Rows, Float32]:
        """Finds the rows nearest to a vector.

        A graph or a few clusters can miss rows when only a small part is allowed; if fewer are found than
        there are, the search is repeated exactly.

        Args:
            vector: The normalised query, float32[dimension].
            n: Most rows wanted, at least 1.
            allowed: Rows that may be found, bool[len(self)]; None allows all.
            effort: Factor on nprobe or efSearch.

        Returns:
            Rows, best first, and their inner products; all there are if that is fewer than n.
        """
        there = len(self) if allowed is None else int(np.count_nonzero(allowed))
        n = min(n, there)
        if n == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        selector = {} if allowed is None else {"sel": self._selector(allowed)}
        if not self.exact and there * 10 >= len(self):
            rows, scores = self._run(self._index, vector, n, self._parameters(n, effort, selector))
            if len(rows) == n:
                return rows, scores
        return self._run(*self._exactly(vector, n, selector))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Gives what, with the vectors, makes an index that answers the same; see `restore`."""
        if self.exact:
            return {}
        if self._settings.kind == "hnsw":
            return graph_arrays(self._faiss, self._index)
        return {"centroids": self._index.quantizer.reconstruct_n(0, self._settings.lists)}

    def like(self, vectors: Float32) -> FaissIndex:
        """Makes an index of these vectors alone, float32[n, dimension], with the same clusters if there are any."""
        index = FaissIndex(self._settings, self._dimension)
        if self._settings.kind == "ivf" and not self.exact:
            index._use_clusters(self.arrays()["centroids"])
        index.add(vectors)
        return index

    @classmethod
    def restore(
        cls, settings: IndexSettings, vectors: Float32, arrays: Mapping[str, NDArray[Any]]
    ) -> FaissIndex:
        """Makes an index from vectors, float32[n, dimension], and `arrays`; reads no faiss file.

        Raises:
            ValueError: Arrays that do not fit the vectors or one another.
        """
        index = cls(settings, vectors.shape[1])
        if settings.kind == "ivf" and "centroids" in arrays:
            index._use_clusters(of_type("centroids", arrays, np.float32))
        if settings.kind == "hnsw" and len(vectors):
            restore_graph(index._faiss, index._index, vectors, arrays)
        else:
            index.add(vectors)
        return index

    def _new_flat(self) -> Any:
        return self._faiss.IndexFlatIP(self._dimension)

    def _new_graph(self) -> Any:
        inner_product = self._faiss.METRIC_INNER_PRODUCT
        index = self._faiss.IndexHNSWFlat(self._dimension, self._settings.links, inner_product)
        index.hnsw.efConstruction = self._settings.ef_construction
        return index

    def _train(self) -> None:
        """Turns the flat index into clusters."""
        vectors = self.read(np.arange(len(self)))
        kmeans = self._faiss.Kmeans(
            self._dimension, self._settings.lists, spherical=True, seed=1, verbose=False
        )
        kmeans.train(vectors)
        self._use_clusters(kmeans.centroids)
        self._index.add(vectors)

    def _use_clusters(self, centroids: Float32) -> None:
        """Replaces the index by an empty one with these clusters."""
        if centroids.shape != (self._settings.lists, self._dimension) or not np.isfinite(centroids).all():
            raise ValueError(
                f"centroids must be finite, {self._settings.lists} x {self._dimension}, got {centroids.shape}"
            )
        quantizer = self._new_flat()
        quantizer.add(np.ascontiguousarray(centroids))
        inner_product = self._faiss.METRIC_INNER_PRODUCT
        index = self._faiss.IndexIVFFlat(quantizer, self._dimension, self._settings.lists, inner_product)
        index.is_trained = True
        index.set_direct_map_type(self._faiss.DirectMap.Array)
        self._index = index

    def _selector(self, allowed: Mask) -> Any:
        return self._faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))

    def _parameters(self, n: int, effort: int, selector: dict[str, Any]) -> Any:
        settings = self._settings
        if settings.kind == "ivf":
            probes = min(settings.probes * effort, settings.lists)
            return self._faiss.SearchParametersIVF(nprobe=probes, **selector)
        return self._faiss.SearchParametersHNSW(efSearch=max(settings.ef_search * effort, n), **selector)

    def _exactly(self, vector: Float32, n: int, selector: dict[str, Any]) -> tuple[Any, Float32, int, Any]:
        """Gives the arguments of a search that visits every allowed row."""
        if self.exact:
            return self._index, vector, n, self._faiss.SearchParameters(**selector)
        if self._settings.kind == "ivf":
            parameters = self._faiss.SearchParametersIVF(nprobe=self._settings.lists, **selector)
            return self._index, vector, n, parameters
        storage = self._faiss.downcast_index(self._index.storage)
        return storage, vector, n, self._faiss.SearchParameters(**selector)

    @staticmethod
    def _run(index: Any, vector: Float32, n: int, parameters: Any) -> tuple[Rows, Float32]:
        scores, rows = index.search(vector[None, :], n, params=parameters)
        found = rows[0] >= 0
        return rows[0][found], scores[0][found]
