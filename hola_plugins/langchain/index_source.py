"""Searching a vector index: `FaissStore` and whatever else implements `VectorIndex`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.runnables import run_in_executor

from hola_plugins.adacomp.fusion import LEXICAL_WEIGHT
from hola_plugins.adacomp.probe import probe
from hola_plugins.adacomp.source import Changing, Float32, VectorIndex
from hola_plugins.adacomp.widening import SearchStep
from hola_plugins.langchain.metadata_filter import check_filter, passing
from hola_plugins.langchain.sources import Found, Hybrid


class IndexSource:
    """Pools vector search and BM25 over a vector index.

    Args:
        index: The index.
        hybrid: Passages that BM25 scores.
        search_kwargs: `filter` alone: a mapping of metadata, or a test of a document.
        changing: The index, where it can give its content at one moment; each query then has a view of its own.

    Raises:
        TypeError: A filter that is neither a mapping nor callable.
        ValueError: Another search keyword, or an operator in a filter.
    """

    takes_vectors = True

    def __init__(
        self,
        index: VectorIndex,
        hybrid: Hybrid,
        search_kwargs: dict[str, Any],
        changing: Changing | None = None,
    ) -> None:
        if unknown := set(search_kwargs) - {"filter"}:
            raise ValueError(
                f"search_kwargs of a vector index may hold 'filter' alone, got {sorted(unknown)}"
            )
        self._index = index
        self._hybrid = hybrid
        self._changing = changing
        self._kwargs = search_kwargs
        self._filter = search_kwargs.get("filter")
        if self._filter is not None:
            check_filter(self._filter)
        self._passing: list[str] | None = None

    def pinned(self) -> IndexSource:
        """Gives a source of the content as it is, so that documents that come and go cannot mix in one answer."""
        index = self._index
        if self._changing is not None:
            index = self._changing.view(words=self._hybrid == "corpus")
        return IndexSource(index, self._hybrid, self._kwargs)

    def search(self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks) -> Found:
        """Searches; an empty index gives no candidates."""
        if vector is None:
            raise ValueError("a vector index needs the embedded query, got none: give embeddings")
        lexical = self._index.lexical() if self._hybrid == "corpus" else None
        found = probe(
            self._index,
            lexical,
            query,
            vector,
            step.n,
            effort=step.effort,
            allowed_ids=self._allowed(),
            weight=0.0 if self._hybrid == "off" else LEXICAL_WEIGHT,
        )
        return Found(found, self._fetch)

    async def asearch(
        self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks
    ) -> Found:
        """Searches in a worker thread; faiss and numpy release the interpreter there."""
        return await run_in_executor(None, self.search, query, vector, step, callbacks)

    def _allowed(self) -> list[str] | None:
        """Gives the ids that the filter lets through, found by the first search; None allows all."""
        if self._filter is not None and self._passing is None:
            self._passing = [one.id for one in passing(self._index.passages(), self._filter)]
        return self._passing

    def _fetch(self, ids: Sequence[str]) -> dict[str, Document]:
        return {str(document.id): document for document in self._index.documents(ids)}
