"""A faiss HNSW graph as plain arrays, so that it can be stored without faiss's own file format.

That format is parsed by code which trusts it; a file from a stranger can corrupt memory. Arrays can be checked
before faiss sees them. Layout (`faiss/impl/HNSW.h`): the layers of a node stand one after the other in
`neighbors`, each with a fixed number of places, -1 in the empty ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.source import Float32
from hola_plugins.files.array_file import of_type

_NAMES = ("graph_levels", "graph_neighbors", "graph_entry")


def graph_arrays(faiss: Any, index: Any) -> dict[str, NDArray[Any]]:
    """Copies the graph out of an index.

    Returns:
        `graph_levels` int32[n], the layers of each node; `graph_neighbors` int32[all places];
        `graph_entry` int32[1], the node where a search begins, -1 in an empty graph.
    """
    graph = index.hnsw
    places = graph.neighbors.size()
    neighbors = faiss.rev_swig_ptr(graph.neighbors.data(), places).copy() if places else np.empty(0, "int32")
    return {
        "graph_levels": faiss.vector_to_array(graph.levels),
        "graph_neighbors": neighbors,
        "graph_entry": np.array([graph.entry_point], dtype=np.int32),
    }


def restore_graph(faiss: Any, index: Any, vectors: Float32, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Fills an empty HNSW index with vectors, float32[n, dimension] with n > 0, and their graph.

    Raises:
        ValueError: Arrays that are no graph over these vectors.
    """
    missing = [name for name in _NAMES if name not in arrays]
    if missing:
        raise ValueError(f"the graph lacks {', '.join(missing)}")
    levels, neighbors, entry = (of_type(name, arrays, np.int32) for name in _NAMES)
    graph = index.hnsw
    highest, most = int(levels.max(initial=0)), graph.cum_nneighbor_per_level.size() - 1
    if levels.shape != (len(vectors),) or not 1 <= int(levels.min()) <= highest <= most:
        raise ValueError(f"graph_levels must be {len(vectors)} numbers from 1 to {most}")
    places = np.array([graph.cum_nb_neighbors(level) for level in range(highest + 1)], dtype=np.uint64)
    offsets = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(places[levels])])
    _check_neighbors(levels, neighbors, places, offsets)
    if entry.shape != (1,) or not 0 <= entry[0] < len(levels) or levels[entry[0]] != highest:
        raise ValueError("graph_entry must be a node of the highest layer")
    faiss.downcast_index(index.storage).add(np.ascontiguousarray(vectors))
    index.ntotal = len(vectors)
    faiss.copy_array_to_vector(levels, graph.levels)
    faiss.copy_array_to_vector(offsets, graph.offsets)
    graph.neighbors.resize(len(neighbors))
    faiss.memcpy(graph.neighbors.data(), faiss.swig_ptr(neighbors), neighbors.nbytes)
    graph.entry_point, graph.max_level = int(entry[0]), highest - 1


def _check_neighbors(
    levels: NDArray[np.int32],
    neighbors: NDArray[np.int32],
    places: NDArray[np.uint64],
    offsets: NDArray[np.uint64],
) -> None:
    """Checks that every link of a layer leads to a node that has this layer."""
    if neighbors.shape != (int(offsets[-1]),):
        raise ValueError(f"graph_neighbors must hold {int(offsets[-1])} places, got {neighbors.shape}")
    if neighbors.min(initial=-1) < -1 or neighbors.max(initial=-1) >= len(levels):
        raise ValueError(f"graph_neighbors must be from -1 to {len(levels) - 1}")
    sizes = np.diff(offsets).astype(np.int64)
    place_in_node = np.arange(len(neighbors)) - np.repeat(offsets[:-1].astype(np.int64), sizes)
    layers = np.searchsorted(places[1:].astype(np.int64), place_in_node, side="right")
    linked = neighbors >= 0
    if (levels[neighbors[linked]] <= layers[linked]).any():
        raise ValueError("graph_neighbors links to a node that does not have the layer")
