"""What one query costs and finds: of a bare index, and through the retriever."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.vectorstores import VectorStore

from hola_plugins.langchain import AdaCompRetriever

FOUND = 50
"""Candidates of a search: what the retriever asks for first."""


def timed(
    search: Callable[[np.ndarray], Sequence[int]], queries: np.ndarray, truth: np.ndarray
) -> dict[str, float]:
    """Times single queries; p50 and p95 in milliseconds, and the share of the ten nearest among the first ten."""
    times, hits = [], 0
    for query, nearest in zip(queries, truth, strict=True):
        start = time.perf_counter()
        found = search(query)
        times.append((time.perf_counter() - start) * 1e3)
        hits += len({*found[:10]} & {*nearest.tolist()})
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50_ms": float(p50), "p95_ms": float(p95), "recall_at_10": hits / truth.size}


def through_retriever(store: VectorStore, texts: Sequence[str], truth: np.ndarray) -> dict[str, Any]:
    """Asks the same queries of `AdaCompRetriever` and of `as_retriever` with as many candidates, in turns.

    Returns:
        p50 and p95 of both in milliseconds, what was decided, and recall of the ten nearest with k=10, words left out.
    """
    ours = AdaCompRetriever.from_vectorstore(store, hybrid="found", first_search=FOUND)
    nearest_ten = AdaCompRetriever.from_vectorstore(store, hybrid="off", first_search=FOUND, k=10)
    plain = store.as_retriever(search_kwargs={"k": FOUND})
    times: dict[str, list[float]] = {"retriever": [], "as_retriever": []}
    for text in texts:
        for name, retriever in (("as_retriever", plain), ("retriever", ours)):
            start = time.perf_counter()
            retriever.invoke(text)
            times[name].append((time.perf_counter() - start) * 1e3)
    told = [ours.explain(text) for text in texts]
    ten = [{*(int(document.id) for document in nearest_ten.invoke(text))} for text in texts]
    return {
        **{
            f"{name}_p{share}_ms": float(np.percentile(values, share))
            for name, values in times.items()
            for share in (50, 95)
        },
        "recall_at_10": sum(
            len(found & {*nearest.tolist()}) for found, nearest in zip(ten, truth, strict=True)
        )
        / truth.size,
        "mean_k": float(np.mean([one.k for one in told])),
        "searches": dict(Counter(one.searches for one in told)),
        "levels": dict(Counter(one.level for one in told)),
    }
