"""Reading BEIR-layout folders: corpus.jsonl, queries.jsonl, qrels.tsv and, where there is one, answers.jsonl."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from json_lines import read_json_lines


@dataclass(frozen=True, slots=True)
class Question:
    """A query with what is known about it: the ids of all relevant passages, and accepted answers."""

    source: str
    text: str
    relevant: frozenset[str]
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """Passages by id, and questions over them."""

    name: str
    passages: dict[str, str]
    questions: list[Question]


def load(folder: Path) -> Workload:
    """Reads one folder; questions without a relevant passage in the corpus are left out.

    Raises:
        ValueError: A folder without passages or without judged questions.
    """
    passages = {row["_id"]: _passage(row) for row in read_json_lines(folder / "corpus.jsonl")}
    relevant = _judgements(_qrels(folder), passages)
    answers_file = folder / "answers.jsonl"
    answers = (
        {row["_id"]: tuple(row["answers"]) for row in read_json_lines(answers_file)}
        if answers_file.exists()
        else {}
    )
    questions = [
        Question(folder.name, row["text"], frozenset(relevant[row["_id"]]), answers.get(row["_id"], ()))
        for row in read_json_lines(folder / "queries.jsonl")
        if row["_id"] in relevant
    ]
    if not passages or not questions:
        raise ValueError(
            f"{folder} must hold passages and judged questions, got {len(passages)} and {len(questions)}"
        )
    return Workload(folder.name, passages, questions)


def merge(workloads: list[Workload], most: int, seed: int) -> Workload:
    """Pools corpora, with at most `most` questions drawn from each."""
    rng = random.Random(seed)
    passages = {f"{w.name}/{key}": text for w in workloads for key, text in w.passages.items()}
    questions = [
        Question(q.source, q.text, frozenset(f"{w.name}/{key}" for key in q.relevant), q.answers)
        for w in workloads
        for q in rng.sample(w.questions, min(most, len(w.questions)))
    ]
    return Workload("mix", passages, questions)


def _passage(row: dict[str, Any]) -> str:
    title, text = row.get("title", ""), row["text"]
    return f"{title}. {text}" if title else text


def _qrels(folder: Path) -> list[Path]:
    flat = folder / "qrels.tsv"
    return [flat] if flat.exists() else sorted((folder / "qrels").glob("*.tsv"))


def _judgements(files: list[Path], passages: dict[str, str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            query, passage, score = line.split("\t")[:3]
            if passage in passages and score.isdigit() and int(score) > 0:
                found.setdefault(query, set()).add(passage)
    return found
