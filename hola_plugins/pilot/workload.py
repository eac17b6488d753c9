"""What is sent: prompts as they are and queries with their passages, dealt out to the repeats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hola_plugins.files.input_file import InputFileError, numbered_lines, parse_json

Record = TypeVar("Record")
Named = TypeVar("Named", "Prompt", "Query")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One text to send.

    Attributes:
        id: Its name; equal in all stages.
        category: Its kind.
        text: The text.
        searched: Whether passages were searched for it, found or not.
    """

    id: str
    category: str
    text: str
    searched: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the documents.

    Attributes:
        id: Its name.
        text: The question.
        relevant: Ids of passages, or names of files, that it needs; empty where not labelled by them.
        answers: Texts of which a relevant passage contains one; empty where not labelled by them.
    """

    id: str
    text: str
    relevant: frozenset[str] = frozenset()
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its expected answer.

    Attributes:
        text: The question.
        answer: The answer.
    """

    text: str
    answer: str


class DataError(ValueError):
    """A data file that cannot be used; the message names file and line."""


def read_prompts(path: Path) -> list[Prompt]:
    """Reads JSON lines with prompt, and id and category where they have them.

    Raises:
        DataError: A line that is something else, an id twice, or no line.
    """
    return _named_apart(path, _read(path, _prompt))


def read_queries(path: Path) -> list[Query]:
    """Reads JSON lines with question, and relevant, answers or answer where they are labelled.

    Raises:
        DataError: A line that is something else, an id twice, or no line.
    """
    return _named_apart(path, _read(path, _query))


def read_questions(path: Path) -> list[Question]:
    """Reads JSON lines with question and answer.

    Raises:
        DataError: A line that is something else, or no line.
    """
    return [
        record
        for _, record in _read(path, lambda _, row: Question(_text(row, "question"), _text(row, "answer")))
    ]


def deal(prompts: Sequence[Prompt], repeats: int, number: int) -> list[Prompt]:
    """Gives the prompts of one repeat, of each category as many as others have.

    Every prompt is sent in one repeat alone: HSD's shared store would replay an answer of an earlier one.
    """
    by_category = sorted(range(len(prompts)), key=lambda place: prompts[place].category)
    return [prompts[place] for place in sorted(by_category[number::repeats])]


def with_passages(query: Query, passages: Sequence[str], template: str) -> Prompt:
    """Writes a query with its passages, numbered."""
    numbered = "\n\n".join(f"[{number}] {text}" for number, text in enumerate(passages, 1))
    parts = {"{passages}": numbered, "{question}": query.text}
    text = re.sub(r"\{passages\}|\{question\}", lambda found: parts[found[0]], template)
    return Prompt(query.id, "documents", text.lstrip("\n"), searched=True)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines of a file that are not blank, with their numbers.

    Raises:
        DataError: A file or a line of more than is read, or none in UTF-8.
    """
    try:
        yield from numbered_lines(path)
    except InputFileError as error:
        raise DataError(str(error)) from None


def rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yields the objects of JSON lines with their line numbers.

    Raises:
        DataError: A line that holds something else, or no line.
    """
    empty = True
    for number, line in lines(path):
        try:
            row = parse_json(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}, line {number} must hold an object, got {type(row).__name__}")
        empty = False
        yield number, row
    if empty:
        raise DataError(f"{path} is empty: give one JSON object a line")


def _read(path: Path, make: Callable[[int, Mapping[str, Any]], Record]) -> list[tuple[int, Record]]:
    """Reads records with their line numbers."""
    found = []
    for number, row in rows(path):
        try:
            found.append((number, make(number, row)))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}") from None
    return found


def _named_apart(path: Path, numbered: Sequence[tuple[int, Named]]) -> list[Named]:
    """Refuses an id that stands twice."""
    known: dict[str, int] = {}
    for number, record in numbered:
        if record.id in known:
            raise DataError(
                f"{path}, line {number}: the id {record.id!r} stands in line {known[record.id]} already"
            )
        known[record.id] = number
    return [record for _, record in numbered]


def _prompt(number: int, row: Mapping[str, Any]) -> Prompt:
    name, category = row.get("id", f"prompt-{number}"), row.get("category", "prompts")
    return Prompt(str(name), str(category), _text(row, "prompt"))


def _query(number: int, row: Mapping[str, Any]) -> Query:
    relevant = row.get("relevant", [])
    answers = row.get("answers", [row["answer"]] if "answer" in row else [])
    for key, value in (("relevant", relevant), ("answers", answers)):
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise ValueError(f"{key!r} must be a list of texts, got {value!r}")
    name = row.get("id", f"query-{number}")
    return Query(str(name), _text(row, "question"), frozenset(relevant), tuple(answers))


def _text(row: Mapping[str, Any], key: str) -> str:
    """Gives a text of a record."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(
            f"{key!r} must be a text, got {value!r}; it has {', '.join(map(repr, row)) or 'nothing'}"
        )
    return value
