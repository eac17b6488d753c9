"""Readers of the public data sets the benchmark prompts are made from.

The folder layout is the one `workloads.py --help` prints. A missing file is an error that names it.
"""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

from json_lines import read_json_lines


class MissingSourceError(FileNotFoundError):
    """A data file a category needs is not in the data folder."""


class DataFolder:
    """The data folder, read on demand and cached per file.

    Args:
        root: Folder with `gsm8k/`, `human_eval/`, `retrieval/` and so on.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise MissingSourceError(f"the data folder must exist, got {root}: pass --data DIR")
        self.root = root
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def path(self, name: str) -> Path:
        """Path of a data file, checked to exist."""
        path = self.root / name
        if not path.exists():
            raise MissingSourceError(
                f"{path} is missing: add it, or leave its category out with --categories"
            )
        return path

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Objects of a JSON lines file."""
        if name not in self._rows:
            self._rows[name] = list(read_json_lines(self.path(name)))
        return self._rows[name]

    def passages(self, corpus: str) -> list[tuple[str, str, list[str]]]:
        """Question, passage and accepted answers of a retrieval set in the BEIR layout.

        Args:
            corpus: Folder name under `retrieval/`, for instance "nq".
        """
        base = f"retrieval/{corpus}"
        texts = {row["_id"]: row["text"] for row in self.rows(f"{base}/corpus.jsonl")}
        queries = {row["_id"]: row["text"] for row in self.rows(f"{base}/queries.jsonl")}
        answers = {row["_id"]: row["answers"] for row in self.rows(f"{base}/answers.jsonl")}
        lines = self.path(f"{base}/qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]
        pairs = [line.split("\t")[:2] for line in lines if line.strip()]
        return [(queries[q], texts[d], answers.get(q, [])) for q, d in pairs]

    def stories(self) -> list[str]:
        """Cased TinyStories paragraphs, one story an item."""
        folder = self.path("tinystories_sample")
        files = sorted(folder.glob("*_cased.txt")) or sorted(folder.glob("*.txt"))
        if not files:
            raise MissingSourceError(f"{folder} holds no *.txt")
        blocks = files[0].read_text(encoding="utf-8").replace("\r", "").split("\n\n")
        stories: list[str] = []
        for block in (b.strip() for b in blocks):
            if not block:
                continue
            if not stories or block.startswith(("Once ", "One day, a", "One day, there")):
                stories.append(block)
            else:
                stories[-1] += "\n\n" + block
        return stories

    def books(self) -> list[str]:
        """Children's books of Project Gutenberg, whole."""
        with lzma.open(self.path("gutenberg_children/books.txt.xz"), "rt", encoding="utf-8") as file:
            return [book.strip() for book in file.read().split("<|endofbook|>") if book.strip()]

    def articles(self) -> list[str]:
        """Paragraphs of WikiText-2 with its tokenisation marks undone."""
        text = self.path("wikitext2/test.txt").read_text(encoding="utf-8")
        for mark, char in (("@-@", "-"), ("@,@", ","), ("@.@", ".")):
            text = text.replace(f" {mark} ", char)
        for char in ".,;:)!?%":
            text = text.replace(f" {char}", char)
        text = text.replace("( ", "(").replace("<unk>", "it")
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if len(line) > 400 and not line.startswith("=")]
