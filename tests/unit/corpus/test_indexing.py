"""An index follows its folder, embeds nothing twice, and goes on after an interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hashed_words import HashedWords
from pdf_maker import pdf_bytes
from typer.testing import CliRunner

from hola_plugins.adacomp.fingerprint import PROBE_TEXT
from hola_plugins.cli import app
from hola_plugins.corpus import chunks, indexing
from hola_plugins.corpus.files import find_files
from hola_plugins.corpus.indexing import BATCH, Indexer
from hola_plugins.files.locked_folder import locked
from hola_plugins.langchain import FaissStore

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


class CountingWords(HashedWords):
    """Remembers the documents that it embeds, the one that identifies a model left out."""

    def __init__(self):
        super().__init__()
        self.embedded = []

    def embed_documents(self, texts):
        self.embedded += [text for text in texts if text != PROBE_TEXT]
        return super().embed_documents(texts)


class Corpus:
    """A folder, its index, and what each run embedded."""

    def __init__(self, root):
        self.root, self.index = root / "docs", root / "index"
        self.root.mkdir()

    def write(self, name, text):
        (self.root / name).write_text(text)

    def store(self, embedding=None):
        embedding = embedding or HashedWords()
        new = not (self.index / "manifest.json").exists()
        return FaissStore(embedding) if new else FaissStore.load(self.index, embedding)

    def indexer(self, chunk=100, **keywords):
        self.embedding = CountingWords()
        store = self.store(self.embedding)
        return Indexer(store, self.index, chunk, **keywords)

    def run(self, **keywords):
        indexer = self.indexer(**keywords)
        self.progress = list(indexer.run(find_files(self.root)))
        return indexer.report

    def texts(self):
        return sorted(self.store().passages.texts.values())


@pytest.fixture
def corpus(tmp_path):
    corpus = Corpus(tmp_path)
    corpus.write("a.txt", "the cat sat")
    corpus.write("b.md", "the dog ran")
    return corpus


def test_a_folder_is_indexed_and_saved(corpus):
    report = corpus.run()
    assert (report.files, report.unchanged, report.added, report.removed) == (2, 0, 2, 0)
    assert corpus.texts() == ["the cat sat", "the dog ran"]
    (passage,) = corpus.store().similarity_search("cat sat", k=1)
    assert passage.metadata["source"] == "a.txt"


def test_unchanged_files_are_not_embedded_again(corpus):
    corpus.run()
    manifest = (corpus.index / "manifest.json").read_bytes()
    report = corpus.run()
    assert (report.unchanged, report.added, report.removed, corpus.embedding.embedded) == (2, 0, 0, [])
    assert (corpus.index / "manifest.json").read_bytes() == manifest


def test_files_that_are_read_otherwise_than_before_are_indexed_anew_once(corpus, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(chunks, "_READING", chunks._READING - 1)
        corpus.run()
    report = corpus.run()
    assert (report.unchanged, report.added, report.removed) == (0, 2, 2)
    assert corpus.texts() == ["the cat sat", "the dog ran"]
    assert corpus.run().unchanged == 2


def test_changed_new_and_deleted_files_are_followed(corpus):
    corpus.run()
    corpus.write("a.txt", "the cat stood up")
    corpus.write("c.txt", "a bird flew")
    (corpus.root / "b.md").unlink()
    report = corpus.run()
    assert (report.files, report.unchanged, report.added, report.removed) == (2, 0, 2, 2)
    assert corpus.texts() == ["a bird flew", "the cat stood up"]


def test_another_chunk_size_cuts_anew(corpus):
    corpus.write("a.txt", "word " * 60)
    corpus.run()
    before = len(corpus.texts())
    report = corpus.run(chunk=200)
    assert (report.unchanged, report.removed) == (0, before)
    assert len(corpus.texts()) < before


def test_a_chunk_size_out_of_range_is_refused_in_words(corpus):
    answer = CliRunner().invoke(app, ["index", str(corpus.root), "--chunk", "50"])
    assert answer.exit_code == 2
    assert "'chunk' = 50" in answer.output
    assert "100" in answer.output
    assert "pydantic" not in answer.output


def test_a_file_that_becomes_empty_is_forgotten(corpus):
    corpus.run()
    corpus.write("a.txt", "")
    assert corpus.run().removed == 1
    assert corpus.texts() == ["the dog ran"]


def test_unreadable_files_are_reported_and_the_rest_is_indexed(corpus):
    (corpus.root / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    (corpus.root / "fine.pdf").write_bytes(pdf_bytes(["one page", "another page"]))
    report = corpus.run()
    assert [name for name, _ in report.unreadable] == ["broken.pdf"]
    assert corpus.texts() == ["another page", "one page", "the cat sat", "the dog ran"]
    pages = [one.metadata["page"] for one in corpus.store().passages.passages() if "page" in one.metadata]
    assert sorted(pages) == [1, 2]


def test_files_without_text_and_with_doubtful_text_are_reported(corpus):
    (corpus.root / "latin.txt").write_bytes("the café".encode("cp1252"))
    (corpus.root / "scan.pdf").write_bytes(pdf_bytes([""]))
    report = corpus.run()
    assert [name for name, _ in report.unreadable] == ["scan.pdf"]
    assert [name for name, _ in report.doubtful] == ["latin.txt"]
    assert "the café" in corpus.texts()


def test_a_folder_that_gives_no_text_ends_with_2_until_it_does(corpus, monkeypatch):
    monkeypatch.setattr(indexing, "open_store", lambda index, settings: corpus.store())
    command = ["index", str(corpus.root), "--include", "*.pdf", "--index", str(corpus.index)]
    (corpus.root / "scan.pdf").write_bytes(pdf_bytes([""]))
    answer = CliRunner().invoke(app, command)
    assert (answer.exit_code, "not read: scan.pdf: no text in it" in answer.output) == (2, True)
    assert "nothing could be indexed in" in answer.output
    (corpus.root / "fine.pdf").write_bytes(pdf_bytes(["one page"]))
    assert CliRunner().invoke(app, command).exit_code == 0


def test_a_second_run_over_an_index_is_refused_while_the_first_one_lives(corpus):
    command = ["index", str(corpus.root), "--index", str(corpus.index)]
    with locked(corpus.index, ""):
        answer = CliRunner().invoke(app, command)
    assert (answer.exit_code, "(--index)" in answer.output.replace("\n", " ")) == (2, True)


def test_an_interrupted_run_saves_and_the_next_one_goes_on(corpus):
    corpus.write(
        "c.txt", "\n\n".join(f"paragraph number {number} " + "x " * 30 for number in range(5 * BATCH))
    )
    run = corpus.indexer().run(find_files(corpus.root))
    for progress in run:
        if progress.file == "c.txt" and progress.done > progress.total / 2:
            break
    run.close()
    done = corpus.texts()
    assert 2 < len(done) < 2 + 5 * BATCH
    report = corpus.run()
    assert report.unchanged == 2
    assert report.added == len(corpus.embedding.embedded) == 2 + 5 * BATCH - len(done)
    assert len(corpus.texts()) == 2 + 5 * BATCH


def test_a_killed_run_goes_on_where_the_last_save_was(corpus):
    corpus.write("c.txt", "\n\n".join(f"paragraph {number} " + "x " * 35 for number in range(20 * BATCH)))
    process = subprocess.Popen(
        [sys.executable, str(HERE / "indexer_process.py"), str(corpus.root), str(corpus.index)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE.parent / "langchain_door")])},
    )
    for line in process.stdout:
        if line.startswith("c.txt") and int(line.split()[1]) > 5000:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL
    done = len(corpus.texts())
    assert 2 < done < 2 + 20 * BATCH
    assert corpus.run().added == 2 + 20 * BATCH - done
    assert len(corpus.texts()) == 2 + 20 * BATCH


def test_an_old_version_is_found_until_the_new_one_is_complete(corpus):
    corpus.run()
    corpus.write("a.txt", "\n\n".join(f"new {number} " + "x " * 45 for number in range(3 * BATCH)))
    run = corpus.indexer().run(find_files(corpus.root))
    for progress in run:
        if progress.done > 0:
            break
    run.close()
    assert "the cat sat" in corpus.texts()
    corpus.run()
    assert "the cat sat" not in corpus.texts()


def test_work_is_saved_on_the_way(corpus):
    corpus.write("c.txt", "\n\n".join(f"paragraph {number} " + "x " * 45 for number in range(4 * BATCH)))
    sizes = set()
    for _ in corpus.indexer(save_every_s=0.0).run(find_files(corpus.root)):
        if (corpus.index / "manifest.json").exists():
            sizes.add(len(corpus.store()))
    assert len(sizes) > 3


def test_progress_never_goes_back_and_ends_at_the_total(corpus):
    corpus.run()
    done = [step.done for step in corpus.progress]
    assert done == sorted(done)
    corpus.write("c.txt", "a bird flew")
    corpus.run()
    assert corpus.progress[-1].done == corpus.progress[-1].total
