"""Embedding queries: one by one, or all of a batch in one call."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor

from hola_plugins.adacomp.source import Float32


@runtime_checkable
class QueryBatches(Protocol):
    """An embedding model that embeds several queries in one call, each as `embed_query` does."""

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Gives one vector a query."""


class _Batch:
    """The vectors of some queries, made in one call by the thread that needs one first."""

    def __init__(
        self,
        embeddings: Embeddings,
        queries: Sequence[str],
        embed: Callable[[list[str]], list[list[float]]],
    ) -> None:
        self.embeddings = embeddings
        self.queries = {query: row for row, query in enumerate(dict.fromkeys(queries))}
        self._embed = embed
        self._lock = threading.Lock()
        self._vectors: list[list[float]] | None = None

    def vector(self, query: str) -> list[float]:
        with self._lock:
            if self._vectors is None:
                self._vectors = self._embed([*self.queries])
            return self._vectors[self.queries[query]]


_BATCH: ContextVar[_Batch | None] = ContextVar("query_vectors", default=None)
"""The batch that the present run belongs to; LangChain hands the context on to its threads and tasks."""


@contextmanager
def embedded_together(
    embeddings: Embeddings | None, queries: Sequence[str], *, symmetric: bool
) -> Iterator[None]:
    """Within it these queries are embedded in one call, by whichever of them comes first.

    Args:
        embeddings: Embeds them in one call if it has `embed_queries`, or else if `symmetric`; None embeds nothing.
        queries: The queries; blank ones are left out.
        symmetric: Whether `embed_documents` embeds a query as `embed_query` does.
    """
    batch = None
    asked = [query for query in queries if query.strip()]
    if isinstance(embeddings, QueryBatches):
        batch = _Batch(embeddings, asked, embeddings.embed_queries)
    elif embeddings is not None and symmetric:
        batch = _Batch(embeddings, asked, embeddings.embed_documents)
    token = _BATCH.set(batch)
    try:
        yield
    finally:
        _BATCH.reset(token)


def embed(embeddings: Embeddings | None, query: str) -> Float32 | None:
    """Embeds a query, float32[d]; None without embeddings.

    Raises:
        ValueError: NaN or infinity in the vector.
    """
    if embeddings is None:
        return None
    batch = _batch_of(embeddings, query)
    return _checked(embeddings.embed_query(query) if batch is None else batch.vector(query))


async def aembed(embeddings: Embeddings | None, query: str) -> Float32 | None:
    """Does as `embed`, with the model's own asynchronous embedding outside a batch."""
    if embeddings is None:
        return None
    batch = _batch_of(embeddings, query)
    if batch is None:
        return _checked(await embeddings.aembed_query(query))
    return _checked(await run_in_executor(None, batch.vector, query))


def _batch_of(embeddings: Embeddings, query: str) -> _Batch | None:
    """Gives the batch that embeds this query with this model, if there is one."""
    batch = _BATCH.get()
    return batch if batch is not None and batch.embeddings is embeddings and query in batch.queries else None


def _checked(embedding: Sequence[float]) -> Float32:
    vector = np.asarray(embedding, dtype=np.float32)
    if not np.isfinite(vector).all():
        raise ValueError("the embedding model must give finite numbers, got NaN or infinity for the query")
    return vector
