"""Where passages come from: `FaissStore`, any vector store, or any retriever, behind one contract."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore

from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.passage_store import PassageStore
from hola_plugins.adacomp.source import Candidates, Float32
from hola_plugins.adacomp.widening import SearchStep

if TYPE_CHECKING:
    from hola_plugins.langchain.listed_source import ScoreDirection

Hybrid: TypeAlias = Literal["corpus", "found", "off"]
"""Passages that BM25 scores: all of the corpus, where the source shows it; those found; none."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one search.

    Attributes:
        candidates: The passages for the method.
        fetch: Gives copies of the documents of these ids; an id that has gone in between is left out.
    """

    candidates: Candidates
    fetch: Callable[[Sequence[str]], dict[str, Document]]


class Source(Protocol):
    """Searches for the candidates of one query, at once or asynchronously."""

    takes_vectors: bool
    """Whether a search needs the embedded query; else it embeds the query itself, or not at all."""

    def search(self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks) -> Found:
        """Searches; `vector` is the embedded query where it is needed."""

    async def asearch(
        self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks
    ) -> Found:
        """Does as `search`."""


def source_of(
    given: Any,
    embeddings: Embeddings | None,
    hybrid: Hybrid,
    search_kwargs: Mapping[str, Any],
    direction_of: Callable[[VectorStore], ScoreDirection],
) -> Source:
    """Finds the way to search what the user gave, for one query.

    Args:
        given: A vector store, a retriever or a store of passages.
        embeddings: Embeds the queries to a store of passages.
        hybrid: Passages that BM25 scores.
        search_kwargs: Passed to every search.
        direction_of: Gives what is known of the scores of a vector store.

    Raises:
        TypeError: Neither a vector store, a retriever nor a store of passages.
        ValueError: A store of passages without embeddings for the query, or a number of passages in `search_kwargs`.
    """
    from hola_plugins.langchain.index_source import IndexSource
    from hola_plugins.langchain.listed_source import RetrieverSource, VectorStoreSource

    index = getattr(given, "passages", None) if isinstance(given, VectorStore) else given
    if "k" in search_kwargs and not isinstance(given, BaseRetriever):
        raise ValueError(
            f"search_kwargs must leave out 'k', got {search_kwargs['k']!r}: set k= of the retriever, or none"
        )
    if isinstance(index, PassageStore):
        if embeddings is None:
            raise ValueError(
                "embeddings must be given with a vector index, got None: give the model it holds"
            )
        return IndexSource(index, hybrid, dict(search_kwargs))
    if isinstance(given, VectorStore):
        return VectorStoreSource(given, hybrid, dict(search_kwargs), direction_of(given))
    if isinstance(given, BaseRetriever):
        return RetrieverSource(given, hybrid, dict(search_kwargs))
    raise TypeError(
        f"source must be a FaissStore, a LangChain VectorStore or a BaseRetriever, got {type(given).__name__}"
    )


def name_of(document: Document) -> str:
    """Gives the id of a document; that of its text where it has none."""
    return document.id or hashlib.sha256(document.page_content.encode("utf-8", "replace")).hexdigest()[:32]


def as_document(passage: Passage) -> Document:
    """Gives a document of a passage that the caller may change."""
    metadata = copy.deepcopy(dict(passage.metadata))
    return Document(id=passage.id, page_content=passage.text, metadata=metadata)


def copy_of(document: Document) -> Document:
    """Copies a document so that the caller's or the store's stays as it is."""
    return Document(
        id=document.id, page_content=document.page_content, metadata={**document.metadata}, type=document.type
    )
