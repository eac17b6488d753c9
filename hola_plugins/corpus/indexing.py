"""Keeps an index in step with a folder: only what changed is embedded, and a stopped run goes on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hola_plugins.corpus.chunks import Chunk, split, version_of
from hola_plugins.corpus.files import Page, SourceFile, UnreadableFileError, read_pages
from hola_plugins.corpus.settings import CorpusSettings, read_settings, write_settings

if TYPE_CHECKING:
    from hola_plugins.langchain import FaissStore

BATCH = 32
"""Passages embedded at a time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        file: The file in work.
        done: Bytes of files that are done, the part of this one included.
        total: Bytes of all files.
    """

    file: str
    done: int
    total: int


@dataclass(slots=True)
class IndexReport:
    """What a run did.

    Attributes:
        files: Files found.
        unchanged: Files that were in the index as they are.
        added: Passages embedded and added.
        removed: Passages deleted, of files that changed or went.
        unreadable: Files that gave no text, and why.
        doubtful: Files whose text may be wrong, and why; those read in this run.
    """

    files: int = 0
    unchanged: int = 0
    added: int = 0
    removed: int = 0
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    doubtful: list[tuple[str, str]] = field(default_factory=list)


class Indexer:
    """Brings a store in step with files.

    What is done is read from the store itself, so that a run which was stopped, or killed, goes on where the
    last save was.

    Args:
        store: What to fill.
        folder: Where to save it.
        chunk: Most characters of a passage.
        save_every_s: Seconds of work after which the store is saved; the end of a run always saves.
    """

    def __init__(self, store: FaissStore, folder: Path, chunk: int, save_every_s: float = 20.0) -> None:
        self._store = store
        self._folder = folder
        self._chunk = chunk
        self._save_every_s = save_every_s
        self._saved_at = time.monotonic()
        self._saved_revision: int | None = None if _is_new(folder) else store.passages.revision
        self.report = IndexReport()

    def summary(self) -> str:
        """Says in a line what the last run did."""
        report = self.report
        return (
            f"{report.files} files ({report.unchanged} unchanged): {report.added} passages added, "
            f"{report.removed} removed; {len(self._store)} in {self._folder}"
        )

    def run(self, files: Sequence[SourceFile]) -> Iterator[Progress]:
        """Indexes the files, forgets those that went, and saves; also when it is stopped half-way."""
        known = self._known()
        total, done = sum(file.size for file in files), 0
        self.report = IndexReport(files=len(files))
        try:
            self._forget(known, {file.name for file in files})
            for file in files:
                yield Progress(file.name, done, total)
                for share in self._update(file, known.get(file.name, {})):
                    yield Progress(file.name, done + round(file.size * share), total)
                done += file.size
        finally:
            self._save()

    def _known(self) -> dict[str, dict[str, dict[str, int]]]:
        """Gives, by file and version, the passages in the store and how many parts the file has."""
        known: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        for passage in self._store.passages.passages():
            source, version, parts = (passage.metadata.get(name) for name in ("source", "version", "parts"))
            if not (isinstance(source, str) and isinstance(version, str) and isinstance(parts, int)):
                raise ValueError(  # noqa: TRY004 - the store's fault, not the caller's
                    f"{self._folder} holds the passage {passage.id!r}, which `hola index` did not put there: "
                    "give another folder for the index"
                )
            known[source][version][passage.id] = parts
        return known

    def _forget(self, known: dict[str, dict[str, dict[str, int]]], names: set[str]) -> None:
        """Deletes the passages of files that are not there any more."""
        gone = [versions for name, versions in known.items() if name not in names]
        self._delete([one for versions in gone for passages in versions.values() for one in passages])

    def _update(self, file: SourceFile, versions: dict[str, dict[str, int]]) -> Iterator[float]:
        """Brings one file up to date; yields the share that is done."""
        try:
            version = version_of(file.digest(), self._chunk)
        except OSError as error:
            self.report.unreadable.append((file.name, f"{error.strerror}; what is known of it stays"))
            return
        present = versions.get(version, {})
        outdated = [one for name, passages in versions.items() if name != version for one in passages]
        if present and len(present) == next(iter(present.values())):
            self.report.unchanged += 1
        else:
            chunks = split(file, version, self._pages(file), self._chunk)
            yield from self._add([chunk for chunk in chunks if chunk.id not in present])
        self._delete(outdated)

    def _pages(self, file: SourceFile) -> list[Page]:
        """Reads a file, and reports what is wrong with it."""
        try:
            pages = read_pages(file.path)
        except (UnreadableFileError, OSError) as error:
            self.report.unreadable.append((file.name, str(error)))
            return []
        self.report.doubtful += [(file.name, page.doubt) for page in pages if page.doubt]
        return pages

    def _add(self, chunks: Sequence[Chunk]) -> Iterator[float]:
        """Embeds and adds passages in batches; yields the share that is done."""
        for start in range(0, len(chunks), BATCH):
            some = chunks[start : start + BATCH]
            self._store.add_texts(
                [chunk.text for chunk in some],
                [chunk.metadata for chunk in some],
                ids=[chunk.id for chunk in some],
            )
            self.report.added += len(some)
            if time.monotonic() - self._saved_at > self._save_every_s:
                self._save()
            yield (start + len(some)) / len(chunks)

    def _delete(self, ids: list[str]) -> None:
        if ids:
            self._store.delete(ids)
            self.report.removed += len(ids)

    def _save(self) -> None:
        """Saves the store if it changed."""
        revision = self._store.passages.revision
        if revision != self._saved_revision:
            self._store.save(self._folder)
            self._saved_revision = revision
        self._saved_at = time.monotonic()


def _is_new(folder: Path) -> bool:
    """Tells whether nothing was saved there yet."""
    return not (folder / "manifest.json").exists()


def open_store(folder: Path, settings: CorpusSettings) -> FaissStore:
    """Opens the store of an index, or makes a new one; keeps the settings there.

    Args:
        folder: The index.
        settings: What it shall be made with from now on.

    Raises:
        ValueError: A damaged index, or one that was made with another embedding model.
        ImportError: A library that is missing; names the extra.
    """
    from hola_plugins.langchain import FaissStore
    from hola_plugins.langchain.sentence_embeddings import SentenceEmbeddings

    if not _is_new(folder) and read_settings(folder) is None:
        raise ValueError(
            f"{folder} holds a store that `hola index` did not make: give another folder for the index"
        )
    embeddings = SentenceEmbeddings(settings.embedding)
    store = FaissStore(embeddings) if _is_new(folder) else FaissStore.load(folder, embeddings)
    write_settings(folder, settings)
    return store
