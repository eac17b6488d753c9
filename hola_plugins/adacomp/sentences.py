"""Splitting a text into sentences, without a model and in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 1000
"""Characters after which a sentence without an end is cut at a space, so that tables and logs split too."""

_END = re.compile(
    "[.!?…\u061f\u06d4\u0589\u1362\u0964\u0965]+"
    r"[\"'”’)\]]*(?=\s)|[。！？]+[」』”’）]*|\n\s*\n|\n(?=\s*(?:[-*•#|]|\d+[.)]\s))"  # noqa: RUF001
)
"""Ends of sentences in Latin, Arabic, Armenian, Ethiopic, Indic and East Asian scripts; blank lines; list items."""

_ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "sr",
        "jr",
        "st",
        "vs",
        "etc",
        "e.g",
        "i.e",
        "cf",
        "al",
        "inc",
        "ltd",
        "co",
        "corp",
        "no",
        "vol",
        "fig",
        "eq",
        "dept",
        "univ",
        "gen",
        "col",
        "lt",
        "sgt",
        "capt",
        "rev",
        "hon",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "approx",
        "est",
        "ca",
        "c",
        "p",
        "pp",
        "ed",
        "eds",
        "z.b",
        "bzw",
        "u.a",
        "d.h",
        "dipl",
        "ing",
        "nr",
        "str",
        "bzgl",
        "usw",
        "u.s",
        "u.k",
    ]
)

_LAST_WORD = re.compile(r"[^\s(\[\"'“‘]+$")  # noqa: RUF001


def split_sentences(text: str) -> list[str]:
    """Gives the sentences of a text, in order, without the white space around them; none for blank text."""
    pieces = (piece for start, end in _spans(text) for piece in _bounded(text[start:end]))
    return [sentence for piece in pieces if (sentence := piece.strip())]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _END.finditer(text):
        if match.group()[0] == "." and _continues(text, start, match.start(), match.end()):
            continue
        yield start, match.end()
        start = match.end()
    yield start, len(text)


def _continues(text: str, start: int, dot: int, end: int) -> bool:
    """Says whether a full stop belongs to an abbreviation or an initial, or a small letter follows it."""
    found = _LAST_WORD.search(text, max(start, dot - 20), dot)
    word = found.group() if found else ""
    if word.casefold() in _ABBREVIATIONS or (len(word) == 1 and word.isupper()):
        return True
    following = text[end : end + 2].lstrip()
    return following[:1].islower()


def _bounded(sentence: str) -> Iterator[str]:
    """Cuts what is longer than `LONGEST` at a space, or hard where there is none."""
    start = 0
    while len(sentence) - start > LONGEST:
        space = sentence.rfind(" ", start + 1, start + LONGEST)
        stop = space if space > start else start + LONGEST
        yield sentence[start:stop]
        start = stop
    yield sentence[start:]
