"""Prompts of four kinds, of the project's own text and the standard library's source."""

from __future__ import annotations

import inspect
import json
import textwrap

_LINES = ["the river runs past the old mill", "a red boat waits at the pier", "we count the bells at noon"]


def repetitive(count: int = 16) -> list[str]:
    """Passages that the prompt asks to copy."""
    return [f"Text: {' and '.join(_LINES)} {place}. Copy: {_LINES[0]}" for place in range(count)]


def free_text(count: int = 16) -> list[str]:
    """Openings of stories."""
    names = ["Tom", "Mia", "Ben", "Anna", "Leo", "Zoe", "Max", "Ida"]
    return [f"{names[place % 8]} went to the market on day {place}. There" for place in range(count)]


def code(count: int = 16) -> list[str]:
    """Beginnings of functions of the standard library."""
    functions = [value for _, value in sorted(inspect.getmembers(textwrap, inspect.isroutine))]
    functions += [value for _, value in sorted(inspect.getmembers(json, inspect.isroutine))]
    sources = [inspect.getsource(function) for function in functions if inspect.isfunction(function)]
    return [sources[place % len(sources)][: 200 + 10 * place] for place in range(count)]


def maths(count: int = 16) -> list[str]:
    """Word problems."""
    return [
        f"Q: Sam has {place + 3} apples and buys {2 * place + 1} more. How many apples has Sam? A:"
        for place in range(count)
    ]


KINDS = {"repetitive": repetitive, "free_text": free_text, "code": code, "maths": maths}
