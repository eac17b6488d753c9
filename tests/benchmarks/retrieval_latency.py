"""What a query costs beside its embedding: the retriever's own time, by interleaved calls on one thread."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from embedding_cache import KnownVectors
from hola_plugins.adacomp.calibration import Calibration
from hola_plugins.langchain import AdaCompRetriever, FaissStore
from hola_plugins.langchain.retriever_state import RetrieverState
from retrieval_pools import Searched


def padded_store(searched: Searched, size: int, seed: int = 0) -> FaissStore:
    """Brings a corpus to `size` passages with shuffled copies of its own, so that timings compare."""
    rng = np.random.default_rng(seed)
    texts = list(searched.workload.passages.values())
    known = {text: searched.store.embeddings.embed_query(text) for text in texts[:size]}
    made = dict(known)
    while len(made) < size:
        text = texts[rng.integers(len(texts))]
        parts = text.split()
        rng.shuffle(parts)
        vector = known[text] if text in known else searched.store.embeddings.embed_query(text)
        made[" ".join(parts)] = vector + rng.normal(scale=0.02, size=len(vector)).astype(np.float32)
    return FaissStore.from_texts(list(made), KnownVectors(made))


def overheads(
    searched: Searched, calibration: Calibration, size: int, queries: Sequence[str], repeats: int = 3
) -> dict[str, dict[str, float]]:
    """Times `invoke` of LangChain's plain retriever over the same store and of ours; milliseconds."""
    store = padded_store(searched, size)
    embeddings = searched.store.embeddings
    state = RetrieverState(calibration)
    ours = AdaCompRetriever(source=store, embeddings=embeddings, state=state)
    plain = FaissStore(embeddings)
    plain.passages = store.passages
    retrievers = {"as_retriever(k=4)": plain.as_retriever(), "AdaCompRetriever": ours}
    times: dict[str, list[float]] = {name: [] for name in retrievers}
    for retriever in retrievers.values():
        retriever.invoke(queries[0])
    for _ in range(repeats):
        for query in queries:
            for name, retriever in retrievers.items():
                start = time.perf_counter()
                retriever.invoke(query)
                times[name].append((time.perf_counter() - start) * 1e3)
    return {
        name: {"p50": float(np.percentile(taken, 50)), "p95": float(np.percentile(taken, 95))}
        for name, taken in times.items()
    }
