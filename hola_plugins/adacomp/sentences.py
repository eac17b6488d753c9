"""Splitting a text into sentences, without a model and in time that grows with its length alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hola_plugins.adacomp.abbreviations import continues
from hola_plugins.adacomp.cuts import between_signs, is_unspaced
from hola_plugins.adacomp.line_breaks import blocks

LONGEST = 1000
"""Characters after which a sentence without an end is cut at a line break or a space."""

LONGEST_UNSPACED = 100
"""The same in scripts without spaces between words, in which a sign says as much as a short word."""

_PAUSES = ("，、；：", "\n", " ")  # noqa: RUF001
"""Where a long sentence is cut, best first; Thai and its neighbours put spaces between clauses."""

_STOPS = "[.!?…\u061f\u06d4\u0589\u1362\u0964\u0965]"
_NOTES = r"(?:\[[^\[\]\n]{1,20}\]|[\u00b9\u00b2\u00b3\u2070\u2074-\u2079])*+"
"""Marks of footnotes, which belong to the sentence before: `[1]`, `[a]`, `[citation needed]`, superscripts."""

_END = re.compile(
    rf"(?<!{_STOPS}){_STOPS}++[\"'”’)\]]*+{_NOTES}(?=\s)|[。！？]+[」』”’）]*{_NOTES}"  # noqa: RUF001
)
"""Ends of sentences in Latin, Arabic, Armenian, Ethiopic, Indic and East Asian scripts.

A run of stops is tried once, from its start, so that the time grows with the length of the text alone.
"""


def split_sentences(text: str) -> list[str]:
    """Gives the sentences of a text, in order, without the white space around them; none for blank text."""
    pieces = (piece for block in blocks(text) for span in _spans(block) for piece in _bounded(span))
    return [sentence for piece in pieces if (sentence := piece.strip())]


def _spans(block: str) -> Iterator[str]:
    """Cuts after every end but the full stops after which a sentence goes on."""
    start = 0
    for match in _END.finditer(block):
        if match.group()[0] == "." and continues(block, start, match.start(), match.end()):
            continue
        yield block[start : match.end()]
        start = match.end()
    yield block[start:]


def _bounded(sentence: str) -> Iterator[str]:
    """Cuts what is too long at its last pause, or between signs where there is none."""
    longest = LONGEST_UNSPACED if is_unspaced(sentence[:LONGEST]) else LONGEST
    start = 0
    while len(sentence) - start > longest:
        stop = _after_pause(sentence, start + 1, start + longest)
        stop = stop or between_signs(sentence, start + longest, start)
        yield sentence[start:stop]
        start = stop
    yield sentence[start:]


def _after_pause(sentence: str, start: int, end: int) -> int:
    """Gives where to cut at the last of the best pauses between two places; 0 where there is none."""
    for marks in _PAUSES:
        pause = max(sentence.rfind(mark, start, end) for mark in marks)
        if pause >= 0:
            return pause if sentence[pause].isspace() else pause + 1
    return 0
