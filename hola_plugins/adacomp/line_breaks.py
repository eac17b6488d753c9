"""Line breaks that end a sentence, told from those that only wrap a paragraph.

Blank lines end one, and so does a line before a record: an item, a row of a table, a message, an entry of a log.
Otherwise lines are wrapped where they are about as long as the paragraph is wide: the first word of the next line
would not have fitted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from hola_plugins.adacomp.words import UNSPACED_SIGN

_BLANK = re.compile(r"\n\s*\n")

_RECORD = re.compile(
    r"""\s*(?:
        [-*•#|{]                                                # item, heading, row of a table, JSON
        | \(?\d{1,3}[.)](?:\s|$)                                # numbered item
        | \[[^\[\]]{1,30}\] | <[^<>]{1,30}>\s                   # [10:21], [INFO], <name>
        | (?:[A-Z][a-z]{2}\ {1,2}\d{1,2}\ )?\d{1,2}:\d{2}       # 10:21, May  3 10:21
        | \d{1,4}[-/.]\d{1,4}[-/.]\d{1,4}                       # 2024-05-03, 3.5.2024, 10.0.0.1
        | (?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\b
        | [^\W\d_][\w.'-]{0,30}(?::(?=\s|$)|：)                 # Name: or key:
        | [A-Z][\w.'-]{0,30}(?:\ [\w.'-]{1,30}){1,2}:(?:\s|$)   # Name of two or three words:
    )|.*?\S(?:\t|\ \|\ )""",  # noqa: RUF001
    re.VERBOSE,
)
"""How a line begins that is a record by itself, or what parts its fields."""

_FILLED = 0.85
"""Share of a paragraph's width that a wrapped line and the next word take at least: letters differ in width."""

_READS_ON = 0.5
"""The same where the next line begins with a small letter."""

_LISTED = 4
"""Lines after the first that make a list when each begins with a capital or a digit."""


def blocks(text: str) -> Iterator[str]:
    """Gives the parts of a text between the line breaks that end a sentence, in order."""
    for paragraph in _BLANK.split(text.strip()):
        lines = paragraph.split("\n")
        starts = [0, *(row for row, line in enumerate(lines) if row and _RECORD.match(line))]
        for start, end in pairwise([*starts, len(lines)]):
            yield from _unwrapped(lines[start:end])


def _unwrapped(lines: Sequence[str]) -> Iterator[str]:
    """Gives a wrapped paragraph whole and other lines one by one."""
    start = 0
    for row, wraps in enumerate(_wraps(lines), 1):
        if not wraps:
            yield "\n".join(lines[start:row])
            start = row
    yield "\n".join(lines[start:])


def _wraps(lines: Sequence[str]) -> list[bool]:
    """Says of each line break whether it wraps; none does where most do not."""
    following = [line.lstrip() for line in lines[1:]]
    if len(following) >= _LISTED and all(line[:1].isupper() or line[:1].isdigit() for line in following):
        return [False] * len(following)
    width = _width(lines)
    found = [
        len(line.rstrip()) + 1 + _first_word(after) > width * (_READS_ON if after[:1].islower() else _FILLED)
        for line, after in zip(lines, following, strict=False)
    ]
    return found if 2 * sum(found) >= len(found) else [False] * len(found)


def _width(lines: Sequence[str]) -> int:
    """Gives the length that a sixth of the lines reach, so that one with a long address does not count."""
    lengths = sorted(len(line.rstrip()) for line in lines)
    return lengths[-1 - len(lengths) // 6]


def _first_word(line: str) -> int:
    """Gives the length of the first word; of one sign in scripts without spaces."""
    return 1 if UNSPACED_SIGN.match(line) else len(line.split(maxsplit=1)[0])
