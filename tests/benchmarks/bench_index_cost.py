"""What a search costs at 10^5 and 10^6 vectors: flat, IVF and HNSW in `FaissStore`'s index, one thread.

Vectors are synthetic and as hard as text: topics of unequal size lie in a space of few dimensions, overlap, and
every vector is mostly noise of its own. Recall is the share of the flat index's ten nearest. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import faiss
import numpy as np
from rich.console import Console
from rich.table import Table


def topical(count: int, dimension: int, seed: int) -> np.ndarray:
    """Makes normalised vectors around 1,000 topics, float32[count, dimension].

    The n-th topic is as large as 1 / n; topics and most of the noise lie in a tenth of the dimensions' space, so
    that a vector's neighbours belong to many topics.
    """
    rng = np.random.default_rng(seed)
    latent = max(2, dimension // 10)
    sizes = 1.0 / np.arange(1, 1001)
    axes = rng.normal(size=(latent, dimension)).astype(np.float32) / np.sqrt(np.float32(dimension))
    topics = rng.normal(size=(1000, latent)).astype(np.float32)
    chosen = topics[rng.choice(1000, size=count, p=sizes / sizes.sum())]
    chosen += 1.2 * rng.standard_normal(size=chosen.shape, dtype=np.float32)
    vectors = chosen @ axes
    vectors += np.float32(0.1) * rng.standard_normal(size=vectors.shape, dtype=np.float32)
    faiss.normalize_L2(vectors)
    return vectors


def build(kind: str, vectors: np.ndarray, lists: int = 1) -> faiss.Index:
    """Builds an index by inner product; IVF with `lists` clusters, HNSW with 32 links."""
    dimension = vectors.shape[1]
    names = {"flat": "Flat", "ivf": f"IVF{lists},Flat", "hnsw": "HNSW32,Flat"}
    index = faiss.index_factory(dimension, names[kind], faiss.METRIC_INNER_PRODUCT)
    if kind == "ivf":
        index.train(vectors[: 40 * lists])
    if kind == "hnsw":
        index.hnsw.efConstruction = 80
    index.add(vectors)
    return index


def settings(kind: str, effort: int) -> faiss.SearchParameters | None:
    """Gives the parameters of one call at an effort, as progressive widening passes them."""
    if kind == "ivf":
        return faiss.SearchParametersIVF(nprobe=8 * effort)
    return faiss.SearchParametersHNSW(efSearch=32 * effort) if kind == "hnsw" else None


def measure(
    index: faiss.Index, kind: str, effort: int, queries: np.ndarray, truth: np.ndarray
) -> dict[str, float]:
    """Times single queries for 50 candidates; p50 and p95 in milliseconds, recall of the first ten, vectors scanned."""
    times, hits = [], 0
    before = compared(index, kind)
    for query, nearest in zip(queries, truth, strict=True):
        start = time.perf_counter()
        _, found = index.search(query[None], 50, params=settings(kind, effort))
        times.append((time.perf_counter() - start) * 1e3)
        hits += len({*found[0, :10]} & {*nearest})
    p50, p95 = np.percentile(times, [50, 95])
    scanned = index.ntotal if kind == "flat" else (compared(index, kind) - before) / len(queries)
    return {
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "recall_at_10": hits / truth.size,
        "vectors_scanned": float(scanned),
    }


def compared(index: faiss.Index, kind: str) -> int:
    """Gives the vectors compared with queries so far, by faiss's counters for the process; centroids count too."""
    if kind == "ivf":
        return int(faiss.cvar.indexIVF_stats.ndis + faiss.cvar.indexIVF_stats.nq * index.nlist)
    return int(faiss.cvar.hnsw_stats.ndis) if kind == "hnsw" else 0


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, nargs="+", default=[100_000, 1_000_000], help="vectors")
    parser.add_argument("--kinds", default="flat,ivf,hnsw", help="default: flat,ivf,hnsw")
    parser.add_argument("--dimension", type=int, default=384, help="default: 384")
    parser.add_argument(
        "--lists", type=int, help="clusters of ivf (default: 4 times the root of the vectors)"
    )
    parser.add_argument("--queries", type=int, default=100, help="default: 100")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    rows = []
    for count in options.count:
        vectors = topical(count + options.queries, options.dimension, seed=0)
        vectors, queries = vectors[: -options.queries], vectors[-options.queries :]
        truth = build("flat", vectors).search(queries, 10)[1]
        for kind in options.kinds.split(","):
            start = time.perf_counter()
            index = build(kind, vectors, options.lists or int(4 * np.sqrt(count)))
            built = time.perf_counter() - start
            for effort in (1,) if kind == "flat" else (1, 4, 16):
                found = measure(index, kind, effort, queries, truth)
                rows.append({"vectors": count, "kind": kind, "effort": effort, "build_s": built, **found})
    table = Table("vectors", "index", "effort", "build s", "p50 ms", "p95 ms", "recall@10", "scanned")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)
    print(json.dumps({"rows": rows, "command": sys.argv}))


if __name__ == "__main__":
    main()
