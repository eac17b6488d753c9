"""Embedding queries: one by one, or all of a batch in one call."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, runtime_checkable

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor

from hola_plugins.adacomp.source import Float32

logger = logging.getLogger(__name__)


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
        self._tried = False

    def vector(self, query: str) -> list[float] | None:
        """Gives the vector of a query; None where the one call failed, and each query is embedded alone."""
        with self._lock:
            if not self._tried:
                self._tried = True
                self._vectors = self._embedded()
        return None if self._vectors is None else self._vectors[self.queries[query]]

    def _embedded(self) -> list[list[float]] | None:
        try:
            vectors = self._embed([*self.queries])
        except Exception:
            logger.warning("the queries of a batch are embedded one by one", exc_info=True)
            return None
        if len(vectors) != len(self.queries):
            logger.warning("%d queries got %d vectors: embedded one by one", len(self.queries), len(vectors))
            return None
        return vectors


_BATCH: ContextVar[_Batch | None] = ContextVar("query_vectors", default=None)
"""The batch that the present run belongs to; LangChain hands the context on to its threads and tasks."""


@contextmanager
def embedded_together(
    embeddings: Embeddings | None, queries: Sequence[Any], *, symmetric: bool
) -> Iterator[None]:
    """Within it these queries are embedded in one call, by whichever of them comes first; alone if that fails.

    Args:
        embeddings: Embeds them in one call if it has `embed_queries`, or else if `symmetric`; None embeds nothing.
        queries: The queries; blank ones, and what is no string, are left out.
        symmetric: Whether `embed_documents` embeds a query as `embed_query` does.
    """
    batch = None
    asked = [query for query in queries if isinstance(query, str) and query.strip()]
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
    vector = None if batch is None else batch.vector(query)
    return _checked(embeddings.embed_query(query) if vector is None else vector)


async def aembed(embeddings: Embeddings | None, query: str) -> Float32 | None:
    """Does as `embed`, with the model's own asynchronous embedding outside a batch."""
    if embeddings is None:
        return None
    batch = _batch_of(embeddings, query)
    vector = None if batch is None else await run_in_executor(None, batch.vector, query)
    return _checked(await embeddings.aembed_query(query) if vector is None else vector)


def _batch_of(embeddings: Embeddings, query: str) -> _Batch | None:
    """Gives the batch that embeds this query with this model, if there is one."""
    batch = _BATCH.get()
    return batch if batch is not None and batch.embeddings is embeddings and query in batch.queries else None


def _checked(embedding: Sequence[float]) -> Float32:
    vector = np.asarray(embedding, dtype=np.float32)
    if not np.isfinite(vector).all():
        raise ValueError("the embedding model must give finite numbers, got NaN or infinity for the query")
    return vector
