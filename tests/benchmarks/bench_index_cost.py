"""What a search costs at 10^5 and 10^6 vectors: flat, IVF and HNSW of faiss on one thread, and pgvector's HNSW.

Vectors are synthetic and as hard as text: topics of unequal size lie in a space of few dimensions, overlap, and
every vector is mostly noise of its own. Recall is the share of the ten nearest by exact search. `--retriever` asks
the same through `AdaCompRetriever` and, in turns with it, through `as_retriever` with as many candidates; over
pgvector it is always done. `--plot` draws the curve. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from rich.console import Console
from rich.table import Table

from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.passage import Passage
from hola_plugins.langchain import FaissStore
from index_cost_measure import FOUND, through_retriever, timed
from index_cost_plot import plot
from index_cost_texts import Corpus, StoredVectors, topical
from required import require

COLUMNS = {
    "vectors": "vectors",
    "kind": "index",
    "effort": "effort",
    "build_s": "build s",
    "bytes": "bytes",
    "p50_ms": "p50 ms",
    "p95_ms": "p95 ms",
    "recall_at_10": "recall@10",
    "vectors_scanned": "scanned",
    "as_retriever_p50_ms": "as_retriever p50",
    "retriever_p50_ms": "ours p50",
    "mean_k": "mean k",
}


def build(kind: str, vectors: np.ndarray, lists: int) -> faiss.Index:
    """Builds an index by inner product; IVF with `lists` clusters, HNSW with 32 links."""
    names = {"flat": "Flat", "ivf": f"IVF{lists},Flat", "hnsw": "HNSW32,Flat"}
    index = faiss.index_factory(vectors.shape[1], names[kind], faiss.METRIC_INNER_PRODUCT)
    if kind == "ivf":
        index.train(vectors[: 40 * lists])
    if kind == "hnsw":
        index.hnsw.efConstruction = 80
    index.add(vectors)
    return index


def size(index: faiss.Index, kind: str) -> int:
    """Gives the bytes of an index: its vectors, and their numbers, centroids or links."""
    vectors = int(index.ntotal) * index.d * 4
    if kind == "ivf":
        return vectors + 8 * int(index.ntotal) + 4 * index.nlist * index.d
    if kind == "hnsw":
        return vectors + 4 * index.hnsw.neighbors.size() + 12 * int(index.ntotal)
    return vectors


def settings(kind: str, effort: int) -> faiss.SearchParameters | None:
    """Gives the parameters of one call at an effort, as progressive widening passes them."""
    if kind == "ivf":
        return faiss.SearchParametersIVF(nprobe=8 * effort)
    return faiss.SearchParametersHNSW(efSearch=32 * effort) if kind == "hnsw" else None


def searching(index: faiss.Index, parameters: faiss.SearchParameters | None) -> Callable[[np.ndarray], Any]:
    """Gives the search of one query."""
    return lambda query: index.search(query[None], FOUND, params=parameters)[1][0].tolist()


def compared(index: faiss.Index, kind: str) -> int:
    """Gives the vectors compared with queries so far, by faiss's counters for the process; centroids count too."""
    if kind == "ivf":
        return int(faiss.cvar.indexIVF_stats.ndis + faiss.cvar.indexIVF_stats.nq * index.nlist)
    return int(faiss.cvar.hnsw_stats.ndis) if kind == "hnsw" else 0


def faiss_rows(
    kind: str, corpus: Corpus, queries: Corpus, truth: np.ndarray, lists: int
) -> Iterator[dict[str, Any]]:
    """Gives one row an effort of a bare index."""
    start = time.perf_counter()
    index = build(kind, corpus.vectors, lists)
    built = {"vectors": len(corpus.vectors), "kind": kind, "build_s": time.perf_counter() - start}
    for effort in (1,) if kind == "flat" else (1, 4, 16):
        before = compared(index, kind)
        found = timed(searching(index, settings(kind, effort)), queries.vectors, truth)
        scanned = index.ntotal if kind == "flat" else (compared(index, kind) - before) / len(truth)
        yield {
            **built,
            "bytes": size(index, kind),
            "effort": effort,
            **found,
            "vectors_scanned": float(scanned),
        }


def store_row(kind: str, corpus: Corpus, queries: Corpus, truth: np.ndarray, lists: int) -> dict[str, Any]:
    """Gives the row of a `FaissStore` through the retriever."""
    embeddings = StoredVectors(queries)
    store = FaissStore(embeddings, index=IndexSettings(kind=kind, lists=lists))
    start = time.perf_counter()
    passages = [Passage(str(row), corpus.text(row), {}) for row in range(len(corpus.vectors))]
    store.passages.add(passages, corpus.vectors)
    built = {"vectors": len(corpus.vectors), "kind": kind, "build_s": time.perf_counter() - start}
    return {**built, "through": "FaissStore", **through_retriever(store, embeddings.texts, truth)}


def rows_of(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measures every size and kind."""
    for count in options.count:
        made = topical(count + options.queries, options.dimension, seed=0)
        corpus, queries = made.split(options.queries)
        truth = faiss.knn(queries.vectors, corpus.vectors, 10, metric=faiss.METRIC_INNER_PRODUCT)[1]
        lists = options.lists or int(4 * np.sqrt(count))
        for kind in options.kinds.split(","):
            if kind == "pgvector":
                from index_cost_pgvector import measure

                yield from measure(corpus, queries, truth, options.longest)
                continue
            yield from faiss_rows(kind, corpus, queries, truth, lists)
            if options.retriever:
                yield store_row(kind, corpus, queries, truth, lists)


def tell(rows: list[dict[str, Any]]) -> None:
    """Prints the table and the JSON line."""
    table = Table(*COLUMNS.values())
    for row in rows:
        values = [row.get(key, "") for key in COLUMNS]
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in values))
    Console(width=150).print(table)
    print(json.dumps({"rows": rows, "command": sys.argv}))


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, nargs="+", default=[100_000, 1_000_000], help="vectors")
    parser.add_argument(
        "--kinds", default="flat,ivf,hnsw", help="of flat,ivf,hnsw,pgvector; default: the first three"
    )
    parser.add_argument("--dimension", type=int, default=384, help="default: 384")
    parser.add_argument(
        "--lists", type=int, help="clusters of ivf (default: 4 times the root of the vectors)"
    )
    parser.add_argument("--queries", type=int, default=100, help="default: 100")
    parser.add_argument("--retriever", action="store_true", help="faiss through the retriever too")
    parser.add_argument(
        "--longest", type=int, default=1500, help="seconds for pgvector's build; default: 1500"
    )
    parser.add_argument("--plot", type=Path, help="PNG of the curve")
    options = parser.parse_args()
    if options.plot is not None:
        require("matplotlib")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    faiss.omp_set_num_threads(1)
    rows: list[dict[str, Any]] = []
    try:
        for row in rows_of(options):
            rows.append(row)
            print(json.dumps(row), file=sys.stderr, flush=True)
    finally:
        if options.plot is not None:
            plot(options.plot, rows)
        tell(rows)


if __name__ == "__main__":
    main()
