"""Splitting a text into sentences, without a model and in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hola_plugins.adacomp.cuts import between_signs, is_unspaced

LONGEST = 1000
"""Characters after which a sentence without an end is cut at a space, so that tables and logs split too."""

LONGEST_UNSPACED = 100
"""The same in scripts without spaces between words, in which a sign says as much as a short word."""

_PAUSES = " ，、；："  # noqa: RUF001
"""Where a long sentence is cut: Thai and its neighbours put spaces between clauses, East Asian scripts commas."""

_STOPS = "[.!?…\u061f\u06d4\u0589\u1362\u0964\u0965]"
_END = re.compile(
    rf"(?<!{_STOPS}){_STOPS}++"
    r"[\"'”’)\]]*+(?=\s)|[。！？]+[」』”’）]*|\n\s*\n|\n(?=\s*(?:[-*•#|]|\d+[.)]\s))"  # noqa: RUF001
)
"""Ends of sentences in Latin, Arabic, Armenian, Ethiopic, Indic and East Asian scripts; blank lines; list items.

A run of stops is tried once, from its start, so that the time grows with the length of the text alone.
"""

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
    """Cuts what is too long at its last pause, or between signs where there is none."""
    longest = LONGEST_UNSPACED if is_unspaced(sentence[:LONGEST]) else LONGEST
    start = 0
    while len(sentence) - start > longest:
        pause = max(sentence.rfind(mark, start + 1, start + longest) for mark in _PAUSES)
        if pause > start:
            stop = pause if sentence[pause] == " " else pause + 1
        else:
            stop = between_signs(sentence, start + longest, start)
        yield sentence[start:stop]
        start = stop
    yield sentence[start:]
