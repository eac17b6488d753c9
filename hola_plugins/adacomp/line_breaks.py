"""Line breaks that end a sentence, told from those that only wrap a paragraph.

Blank lines end one, and so does a line before a record: an item, a row of a table, a message, an entry of a log.
What may as well be a word of prose, a date or `needed:`, is a record in a paragraph that has one already, after a
colon or after a line that is not filled. Otherwise lines are wrapped where they are about as long as the paragraph
is wide: the first word of the next line would not have fitted. In doubt, a filled line wraps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from hola_plugins.adacomp.words import UNSPACED_SIGN

_BLANK = re.compile(r"\n\s*\n")

_ITEM = re.compile(r"\s*[-*•#|{]|.*?\S(?:\t|\ \|\ )")
"""How an item, a heading, a row of a table or JSON begins, or what parts its fields."""

_RECORD = re.compile(
    r"""\s*(?:
        \(?\d{1,3}[.)](?:\s|$)                                 # numbered item
        | \[[^\[\]]{1,30}\](?!\() | <[^<>]{1,30}>\s            # [10:21], [INFO], <name>
        | (?:[A-Z][a-z]{2}\ {1,2}\d{1,2}\ )?\d{1,2}:\d{2}       # 10:21, May  3 10:21
        | \d{1,4}[-/.]\d{1,4}[-/.]\d{1,4}                       # 2024-05-03, 3.5.2024, 10.0.0.1
        | (?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL)\b
        | [^\W\d_][\w.'-]{0,30}(?::(?=\s|$)|：)                 # Name: or key:
        | [A-Z][\w.'-]{0,30}(?:\ [\w.'-]{1,30}){1,2}:(?:\s|$)   # Name of two or three words:
        | (?!.*(?:,\ |\ \d+,\d|\d,\d{3}(?!\d)))                 # fields of CSV, no numbers in prose,
          (?:[^,]*[!-\u0dff],(?=[!-\u0dff])){2}                #   in scripts that write spaces
    )""",  # noqa: RUF001
    re.VERBOSE,
)
"""How a line begins that is a record, or a line of prose that begins with a date, a note or a word and a colon."""

_FILLED = 0.85
"""Share of a paragraph's width that a wrapped line and the next word take at least: letters differ in width."""

_READS_ON = 0.5
"""The same where the next line begins with a small letter."""

_LISTED = 4
"""Lines after the first that make a list when each begins with a capital or a digit and not all are filled."""

_NARROWEST = 20
"""Letters of a line in the narrowest column of prose; filled lines that are shorter may make a list."""


def blocks(text: str) -> Iterator[str]:
    """Gives the parts of a text between the line breaks that end a sentence, in order."""
    for paragraph in _BLANK.split(text.strip()):
        lines = paragraph.split("\n")
        for start, end in pairwise([0, *_records(lines), len(lines)]):
            yield from _unwrapped(lines[start:end])


def _records(lines: Sequence[str]) -> Iterator[int]:
    """Gives the rows after the first at which a record starts."""
    width = _width(lines)
    seen = _is_record(lines[0])
    for row, (before, line) in enumerate(pairwise(lines), 1):
        if _is_record(line):
            if seen or _ITEM.match(line) or not _reads_on(before, line, width):
                yield row
            seen = True


def _is_record(line: str) -> bool:
    """Says whether a line begins like a record."""
    return bool(_ITEM.match(line) or _RECORD.match(line))


def _reads_on(before: str, line: str, width: int) -> bool:
    """Says whether the first line that begins like a record is prose: the one before is filled and announces none."""
    return not before.rstrip().endswith((":", "：")) and _fills(before, line, width)  # noqa: RUF001


def _unwrapped(lines: Sequence[str]) -> Iterator[str]:
    """Gives a wrapped paragraph whole and other lines one by one."""
    start = 0
    for row, wraps in enumerate(_wraps(lines), 1):
        if not wraps:
            yield "\n".join(lines[start:row])
            start = row
    yield "\n".join(lines[start:])


def _wraps(lines: Sequence[str]) -> list[bool]:
    """Says of each line break whether it wraps; none does where most do not, nor in a list."""
    width = _width(lines)
    found = [
        _fills(line, after, width, _READS_ON if after.lstrip()[:1].islower() else _FILLED)
        for line, after in pairwise(lines)
    ]
    is_wrapped = 2 * sum(found) >= len(found) and not _is_list(lines, width)
    return found if is_wrapped else [False] * len(found)


def _is_list(lines: Sequence[str], width: int) -> bool:
    """Says whether each line after the first begins with a capital, though it is short or had room on the line before.

    Of longer lines in capitals nothing can be told.
    """
    starts = [line.lstrip()[:1] for line in lines[1:]]
    if len(starts) < _LISTED or not all(start.isupper() or start.isdigit() for start in starts):
        return False
    if width < _NARROWEST:
        return True
    text = "".join(lines)
    if sum(map(str.isupper, text)) > sum(map(str.islower, text)):
        return False
    return not all(_fills(line, after, width, 1.0) for line, after in pairwise(lines))


def _fills(line: str, after: str, width: int, share: float = _FILLED) -> bool:
    """Says whether a line and the first word after it take a share of the width."""
    return len(line.rstrip()) + 1 + _first_word(after.lstrip()) > width * share


def _width(lines: Sequence[str]) -> int:
    """Gives the length that a sixth of the lines reach, so that one with a long address does not count."""
    lengths = sorted(len(line.rstrip()) for line in lines)
    return lengths[-1 - len(lengths) // 6]


def _first_word(line: str) -> int:
    """Gives the length of the first word; of one sign in scripts without spaces."""
    return 1 if UNSPACED_SIGN.match(line) else len(line.split(maxsplit=1)[0])
