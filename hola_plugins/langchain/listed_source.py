"""Searching what only gives a list: any LangChain vector store, with its scores, and any retriever, without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore

from hola_plugins.adacomp.fusion import LEXICAL_WEIGHT, made_up_similarities, ranked
from hola_plugins.adacomp.lexical import match_among
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.widening import SearchStep
from hola_plugins.langchain.sources import Found, Hybrid, copy_of, name_of


@dataclass(slots=True)
class ScoreDirection:
    """Which way the scores of a vector store point.

    Attributes:
        is_distance: Whether lower is nearer; None until a list of scores tells.
    """

    is_distance: bool | None = None

    def learn(self, scores: Float32) -> None:
        """Finds it out from the scores of a list, best first, if it is not known yet."""
        if self.is_distance is None and len(scores) > 1 and scores[0] != scores[-1]:
            self.is_distance = bool(scores[0] < scores[-1])


class VectorStoreSource:
    """Asks a vector store for documents with scores, whichever way these point.

    Lists come best first, so scores that rise are distances; `1 - distance` then stands for the similarity,
    which is the cosine for stores that give cosine distance. A store without scores is used by rank.

    Args:
        store: The store.
        hybrid: `off` leaves BM25 out; else it scores the passages found.
        search_kwargs: Passed to every search, such as `filter`.
        direction: Which way the scores point; it learns from every list.
    """

    takes_vectors = False

    def __init__(
        self,
        store: VectorStore,
        hybrid: Hybrid,
        search_kwargs: dict[str, Any],
        direction: ScoreDirection,
    ) -> None:
        self._store = store
        self._weight = 0.0 if hybrid == "off" else LEXICAL_WEIGHT
        self._kwargs = search_kwargs
        self._direction = direction

    def search(self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks) -> Found:
        """Searches by text; the store embeds the query itself."""
        try:
            pairs = self._store.similarity_search_with_score(query, k=step.n, **self._kwargs)
        except NotImplementedError:
            documents = self._store.similarity_search(query, k=step.n, **self._kwargs)
            return _found(query, documents, None, self._weight, step)
        return self._scored(query, pairs, step)

    async def asearch(
        self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks
    ) -> Found:
        """Does as `search`, with the store's own asynchronous search."""
        try:
            pairs = await self._store.asimilarity_search_with_score(query, k=step.n, **self._kwargs)
        except NotImplementedError:
            documents = await self._store.asimilarity_search(query, k=step.n, **self._kwargs)
            return _found(query, documents, None, self._weight, step)
        return self._scored(query, pairs, step)

    def _scored(self, query: str, pairs: list[tuple[Document, float]], step: SearchStep) -> Found:
        scores = np.array([score for _, score in pairs], dtype=np.float32)
        self._direction.learn(scores)
        similarities = np.float32(1.0) - scores if self._direction.is_distance else scores
        return _found(query, [document for document, _ in pairs], similarities, self._weight, step)


class RetrieverSource:
    """Asks a retriever for documents; only their order counts.

    Args:
        retriever: The retriever; it decides how many documents it gives.
        hybrid: `off` leaves BM25 out; else it scores the passages found.
        search_kwargs: Passed to every call.
    """

    takes_vectors = False

    def __init__(self, retriever: BaseRetriever, hybrid: Hybrid, search_kwargs: dict[str, Any]) -> None:
        self._retriever = retriever
        self._weight = 0.0 if hybrid == "off" else LEXICAL_WEIGHT
        self._kwargs = search_kwargs

    def search(self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks) -> Found:
        """Runs the retriever as a child of this run."""
        documents = self._retriever.invoke(query, {"callbacks": callbacks}, **self._kwargs)
        return _found(query, documents, None, self._weight, None)

    async def asearch(
        self, query: str, vector: Float32 | None, step: SearchStep, callbacks: Callbacks
    ) -> Found:
        """Does as `search`."""
        documents = await self._retriever.ainvoke(query, {"callbacks": callbacks}, **self._kwargs)
        return _found(query, documents, None, self._weight, None)


def _found(
    query: str,
    documents: Sequence[Document],
    similarities: Float32 | None,
    weight: float,
    step: SearchStep | None,
) -> Found:
    """Makes candidates of a list of documents; a document that comes twice counts once."""
    by_name: dict[str, Document] = {}
    rows = []
    for row, document in enumerate(documents):
        name = name_of(document)
        if name not in by_name:
            by_name[name] = document
            rows.append(row)
    texts = [document.page_content for document in by_name.values()]
    dense = made_up_similarities(len(texts)) if similarities is None else similarities[rows]
    candidates = ranked(
        list(by_name),
        texts,
        dense,
        match_among(query, texts),
        weight=weight,
        scored=similarities is not None,
        exhausted=step is None or len(documents) < step.n,
    )
    return Found(candidates, lambda ids: {name: copy_of(by_name[name]) for name in ids})
