"""Searching a store of passages, `FaissStore` or the `PassageStore` in it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.runnables import run_in_executor

from hola_plugins.adacomp.fusion import LEXICAL_WEIGHT
from hola_plugins.adacomp.passage_store import PassageStore
from hola_plugins.adacomp.probe import probe
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.store_view import StoreView
from hola_plugins.adacomp.widening import SearchStep
from hola_plugins.langchain.metadata_filter import check_filter, passing
from hola_plugins.langchain.sources import Found, Hybrid, as_document


class IndexSource:
    """Pools vector search and BM25 over the passages that the store has at the first search.

    Documents that come and go meanwhile cannot mix in one answer.

    Args:
        store: The passages.
        hybrid: Passages that BM25 scores.
        search_kwargs: `filter` alone: a mapping of metadata, or a test of a document.

    Raises:
        TypeError: A filter that is neither a mapping nor callable.
        ValueError: Another search keyword, or an operator in a filter.
    """

    takes_vectors = True

    def __init__(self, store: PassageStore, hybrid: Hybrid, search_kwargs: dict[str, Any]) -> None:
        if unknown := set(search_kwargs) - {"filter"}:
            raise ValueError(
                f"search_kwargs of a vector index may hold 'filter' alone, got {sorted(unknown)}"
            )
        self._store = store
        self._hybrid = hybrid
        self._filter = search_kwargs.get("filter")
        if self._filter is not None:
            check_filter(self._filter)

    def search(self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks) -> Found:
        """Searches; an empty store gives no candidates."""
        if vector is None:
            raise ValueError("a vector index needs the embedded query, got none: give embeddings")
        found = probe(
            self._view,
            self._view.lexical() if self._hybrid == "corpus" else None,
            query,
            vector,
            step.n,
            effort=step.effort,
            allowed_ids=self._allowed,
            weight=0.0 if self._hybrid == "off" else LEXICAL_WEIGHT,
        )
        return Found(found, self._fetch)

    async def asearch(
        self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks
    ) -> Found:
        """Searches in a worker thread; faiss and numpy release the interpreter there."""
        return await run_in_executor(None, self.search, query, vector, step, callbacks)

    @cached_property
    def _view(self) -> StoreView:
        """The passages, taken by the first search."""
        return self._store.view(words=self._hybrid == "corpus")

    @cached_property
    def _allowed(self) -> list[str] | None:
        """The ids that the filter lets through; None allows all."""
        if self._filter is None:
            return None
        return [one.id for one in passing(self._view.passages, self._filter)]

    def _fetch(self, ids: Sequence[str]) -> dict[str, Document]:
        return {one.id: as_document(one) for one in self._view.get(ids)}
