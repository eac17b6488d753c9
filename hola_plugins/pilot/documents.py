"""The documents of a pilot: their index, and whether a passage is one that a query needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hola_plugins.adacomp.words import contains_words
from hola_plugins.corpus.settings import FILE, CorpusSettings
from hola_plugins.pilot.sections import Documents
from hola_plugins.pilot.state import digest
from hola_plugins.pilot.workload import Query

if TYPE_CHECKING:
    from hola_plugins.corpus.asking import OpenIndex


def open_documents(documents: Documents, out: Path, show: Callable[[str], None]) -> OpenIndex:
    """Opens the index that is given, or indexes the folder that is given.

    Args:
        documents: What is given.
        out: The output folder, which holds the indexes of folders; only what changed since the last run is embedded.
        show: Told what is being done.

    Raises:
        ValueError: Nothing to index, or an index that cannot be used.
        ImportError: A library that is missing; names the extra.
    """
    from hola_plugins.corpus.asking import open_index

    show("opening the documents")
    if is_index(documents.path):
        return open_index(documents.path)
    name = digest(str(documents.path), documents.embedding, documents.chunk)
    return _index(documents, out / "index" / name, show)


def document_files(documents: Documents) -> list[Path]:
    """Lists the files that passages come from: those of the index, or those to be indexed."""
    from hola_plugins.corpus.files import find_files

    if is_index(documents.path):
        return [documents.path]
    return [file.path for file in find_files(documents.path, documents.include)]


def is_index(path: Path) -> bool:
    """Tells whether a folder is an index, and not one of documents."""
    return (path / FILE).is_file()


def recall(query: Query, documents: Sequence[Any]) -> float | None:
    """Gives the share of what a query needs that documents hold; None for a query without labels.

    Args:
        query: The query; with answers, one document that contains one of them, word for word, is all it needs.
        documents: LangChain's documents, as they are sent.
    """
    if query.relevant:
        held = [label for label in query.relevant if any(label in labels_of(one) for one in documents)]
        return len(held) / len(query.relevant)
    if query.answers:
        return float(any(contains_answer(query, one.page_content) for one in documents))
    return None


def labels_of(document: Any) -> Collection[str]:
    """Gives the names under which a label may mean a document: its id, with and without version, and its file."""
    name = str(document.id)
    return {name, name.rpartition("@")[0], str(document.metadata.get("source"))}


def passage_ids(index: OpenIndex, queries: Sequence[Query]) -> list[set[str]] | None:
    """Gives the ids of the passages that queries name; None where one names files or is labelled by answers.

    Args:
        index: The opened index.
        queries: Labelled queries. A name that the index does not hold stays as it is.
    """
    passages = index.store.passages.passages()
    files = {str(one.metadata.get("source")) for one in passages}
    if any(not query.relevant or query.relevant & files for query in queries):
        return None
    names = {one.id.rpartition("@")[0]: one.id for one in passages}
    return [{names.get(label, label) for label in query.relevant} for query in queries]


def contains_answer(query: Query, text: str) -> bool:
    """Tells whether a text holds one of a query's answers, word for word."""
    return any(contains_words(text, answer) for answer in query.answers)


def _index(documents: Documents, folder: Path, show: Callable[[str], None]) -> OpenIndex:
    """Brings the index of a folder up to date, and opens it."""
    from hola_plugins.corpus.asking import OpenIndex
    from hola_plugins.corpus.files import SUFFIXES, find_files
    from hola_plugins.corpus.indexing import Indexer, open_store

    files = find_files(documents.path, documents.include)
    if not files:
        raise ValueError(f"no file to index in {documents.path}: it reads {', '.join(SUFFIXES)}")
    settings = CorpusSettings(embedding=documents.embedding, chunk=documents.chunk)
    store = open_store(folder, settings)
    indexer = Indexer(store, folder, settings.chunk)
    for step in indexer.run(files):
        show(f"indexing {step.file}")
    if not store.passages.passages():
        why = "; ".join(f"{name}: {reason}" for name, reason in indexer.report.unreadable[:1])
        raise ValueError(f"nothing to index in {documents.path}: {why or 'its files hold no text'}")
    return OpenIndex(folder, store)
