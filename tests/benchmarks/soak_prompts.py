"""An endless, seeded stream of prompts: of files that are given, or of this project's and Python's own text."""

from __future__ import annotations

import inspect
import random
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from json_lines import read_json_lines

_ROOT = Path(__file__).resolve().parents[2]
_NAMES = ("Maria", "Viktor", "Amara", "Jonas", "Leila", "Oskar", "Priya", "Tomas")
_PLACES = ("the old mill", "a market", "the harbour", "her school", "a quiet library", "the river")

LONG = "long"
"""Category of the prompts that fill the context."""

Prompt = tuple[str, str]
"""Category and text."""


def endless(files: Sequence[Path], rng: random.Random) -> Iterator[Prompt]:
    """Yields prompts of all categories in turn; no text comes twice.

    Args:
        files: JSON lines with ``prompt`` and ``category``; none takes the makers of this module.
        rng: Decides all.
    """
    draw = _drawn(_rows(files), rng) if files else _made(rng)
    for number, (category, text) in enumerate(draw, start=1):
        yield category, f"({number}) {text}"


def long_prompt(prompts: Iterator[Prompt], characters: int) -> str:
    """Joins prompts to one of at least so many characters."""
    text = ""
    while len(text) < characters:
        text += next(prompts)[1] + "\n\n"
    return text.rstrip()


def _rows(files: Sequence[Path]) -> list[Prompt]:
    """Reads the prompts of files."""
    rows = (row for file in files for row in read_json_lines(file))
    return [(row.get("category", "prompt"), row["prompt"]) for row in rows]


def _drawn(rows: list[Prompt], rng: random.Random) -> Iterator[Prompt]:
    """Yields rows, all of them before one comes again."""
    while True:
        rng.shuffle(rows)
        yield from rows


def _made(rng: random.Random) -> Iterator[Prompt]:
    """Yields what the makers make."""
    while True:
        for category, make in _MAKERS.items():
            yield category, make(rng)


def _copy(rng: random.Random) -> str:
    paragraphs = (_ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")
    passage = rng.choice([one for one in paragraphs if 150 < len(one) < 900])
    return f"Passage: {passage}\n\nRepeat the passage word for word.\n\nPassage:"


def _text(rng: random.Random) -> str:
    return f"{rng.choice(_NAMES)} went to {rng.choice(_PLACES)} on day {rng.randrange(1, 100)}. There"


def _code(rng: random.Random) -> str:
    functions = [one for _, one in inspect.getmembers(textwrap) if inspect.isfunction(one)]
    functions += [one for _, one in inspect.getmembers(inspect) if inspect.isfunction(one)]
    return inspect.getsource(rng.choice(functions))[: rng.randrange(80, 600)]


def _maths(rng: random.Random) -> str:
    first, second = rng.randrange(2, 90), rng.randrange(2, 90)
    return f"Question: {rng.choice(_NAMES)} has {first} apples and buys {second} more. How many are there?\nAnswer:"


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "copy": _copy,
    "text": _text,
    "code": _code,
    "maths": _maths,
}
