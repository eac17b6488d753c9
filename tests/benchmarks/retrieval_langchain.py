"""What LangChain itself offers: its compression retriever with EmbeddingsFilter, and its ensemble."""

from __future__ import annotations

import warnings
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from hola_plugins.adacomp.lexical import LexicalIndex
from retrieval_policies import Keep
from retrieval_pools import Pool, Searched


class Bm25Retriever(BaseRetriever):
    """The k best passages by BM25, for the ensemble."""

    lexical: Any
    documents: dict[str, Document]
    k: int = 20

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        index: LexicalIndex = self.lexical
        return [self.documents[index.ids[row]] for row in index.best(index.scores(query), self.k)]


def embeddings_filter(searched: Searched, threshold: float) -> Keep:
    """What `filtering_retriever` keeps."""
    return _rows_of(filtering_retriever(searched, threshold), 20)


def filtering_retriever(searched: Searched, threshold: float) -> Any:
    """ContextualCompressionRetriever over the 20 nearest, EmbeddingsFilter with a similarity threshold."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_classic.retrievers import ContextualCompressionRetriever
        from langchain_classic.retrievers.document_compressors import EmbeddingsFilter

        return ContextualCompressionRetriever(
            base_compressor=EmbeddingsFilter(
                embeddings=searched.store.embeddings, similarity_threshold=threshold
            ),
            base_retriever=searched.store.as_retriever(search_kwargs={"k": 20}),
        )


def ensemble(searched: Searched, k: int) -> Keep:
    """EnsembleRetriever: reciprocal-rank fusion of the 20 nearest and the 20 best by BM25, cut at k."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_classic.retrievers import EnsembleRetriever

    documents = {document.id: document for document in searched.store.get_by_ids(searched.lexical.ids)}
    lexical = Bm25Retriever(lexical=searched.lexical, documents=documents)
    dense = searched.store.as_retriever(search_kwargs={"k": 20})
    return _rows_of(EnsembleRetriever(retrievers=[dense, lexical], weights=[0.5, 0.5]), k)


def _rows_of(retriever: Any, k: int) -> Keep:
    """Runs a retriever and finds its documents, by text since filters lose ids, among the candidates."""

    def keep(pool: Pool) -> list[int]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            documents = retriever.invoke(pool.question.text)
        row_of = {text: row for row, text in enumerate(pool.candidates.texts)}
        return [row_of[document.page_content] for document in documents[:k]]

    return keep
