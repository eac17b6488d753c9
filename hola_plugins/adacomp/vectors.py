"""Checks and normalises embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hola_plugins.adacomp.source import Float32


def as_vectors(vectors: Float32 | Sequence[Sequence[float]]) -> Float32:
    """Gives embeddings as float32[n, d].

    Raises:
        ValueError: Rows of different lengths, or something else than numbers.
    """
    try:
        return np.asarray(vectors, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"embeddings must be lists of as many numbers each ({error}): the embedding model is at fault"
        ) from error


def checked_vectors(vectors: Float32, dimension: int, names: Sequence[str]) -> Float32:
    """Gives the vectors back if they can be used.

    Args:
        vectors: float32[n, d].
        dimension: What d must be; 0 allows any but 0.
        names: What to call each vector in an error, n of them.

    Raises:
        ValueError: Another dimension, or a NaN or infinity.
    """
    if vectors.ndim != 2 or not vectors.shape[1] or vectors.shape[1] != (dimension or vectors.shape[1]):
        raise ValueError(
            f"embeddings must have {dimension or 'at least 1'} dimensions, got the shape {vectors.shape}: "
            "use the embedding model that the store was made with"
        )
    finite = np.isfinite(vectors)
    if not finite.all():
        bad = np.flatnonzero(~finite.all(axis=1))
        raise ValueError(
            f"the embedding of {names[bad[0]]!r} holds a NaN or an infinity ({len(bad)} of {len(vectors)} do): "
            "leave out what the embedding model cannot embed"
        )
    return vectors


def unit_query(vector: Float32, dimension: int) -> Float32:
    """Gives a query, float32[dimension], scaled to length 1; raises as `checked_vectors` does."""
    query = np.asarray(vector, dtype=np.float32).reshape(1, -1)
    return normalised(checked_vectors(query, dimension, ["the query"])).reshape(-1)


def normalised(vectors: Float32) -> Float32:
    """Scales each vector, float32[n, d], to length 1; a vector of zeros stays, and is similar to nothing."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    largest[largest == 0] = 1
    scaled = vectors / largest
    norms = np.sqrt((scaled * scaled).sum(axis=1, keepdims=True))
    norms[norms == 0] = 1
    return np.ascontiguousarray(scaled / norms, dtype=np.float32)
