"""The work of a query that does not depend on the machine, counted while retrievers run."""

from __future__ import annotations

from typing import Any

import numpy as np

from embedding_cache import KnownVectors
from hola_plugins.adacomp.calibration import Calibration
from hola_plugins.langchain import AdaCompRetriever
from hola_plugins.langchain.retriever_state import RetrieverState
from retrieval_langchain import filtering_retriever
from retrieval_pools import Searched

_QUESTIONS = 100
"""Questions that the work is counted on."""


def work_of_a_query(searched: Searched, calibration: Calibration, filter_threshold: float) -> dict[str, Any]:
    """Counts searches, candidates, vectors scanned and texts embedded a query, on average.

    Args:
        searched: The workload; its index is flat, so every search scans every vector (`bench_index_cost.py`
            counts what IVF and HNSW scan).
        calibration: Of our retriever.
        filter_threshold: Similarity threshold of LangChain's EmbeddingsFilter, which embeds what it filters.
    """
    embeddings = KnownVectors(searched.store.embeddings.known)
    ours = AdaCompRetriever(source=searched.store, embeddings=embeddings, state=RetrieverState(calibration))
    queries = [pool.question.text for pool in searched.pools[:_QUESTIONS]]
    stories = [ours.explain(query) for query in queries]
    asked_by_ours = embeddings.asked
    filtering = filtering_retriever(searched, filter_threshold)
    before = searched.store.embeddings.asked
    for query in queries:
        filtering.invoke(query)
    asked_by_filter = searched.store.embeddings.asked - before
    searches = float(np.mean([story.searches for story in stories]))
    return {
        "searches": searches,
        "vectors_scanned": searches * len(searched.store),
        "candidates": float(np.mean([story.candidates for story in stories])),
        "embeddings_per_query": {
            "adacomp": asked_by_ours / len(queries),
            "EmbeddingsFilter": asked_by_filter / len(queries),
        },
    }
