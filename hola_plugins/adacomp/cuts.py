"""Where a text may be cut: between words, or between the signs of a script that is written without spaces."""

from __future__ import annotations

import unicodedata

from hola_plugins.adacomp.words import UNSPACED_SIGN


def is_unspaced(text: str) -> bool:
    """Says whether most of a text is in scripts that are written without spaces."""
    return not text.isascii() and 2 * len(UNSPACED_SIGN.findall(text)) > len(text)


def between_words(text: str, most: int) -> int:
    """Gives the last place up to `most` that is between words; inside the first word where there is none."""
    stop = most
    if most < len(text) and _in_word(text[most]):
        while stop and _in_word(text[stop - 1]):
            stop -= 1
    return between_signs(text, stop or most)


def between_signs(text: str, most: int, least: int = 0) -> int:
    """Gives the last place over `least` and up to `most` before which no mark is parted from its letter; else `most`."""
    stop = most
    while least < stop < len(text) and unicodedata.category(text[stop])[0] == "M":
        stop -= 1
    return stop if stop > least else most


def _in_word(sign: str) -> bool:
    """Says whether a sign stands in a word that may be longer than it."""
    return not sign.isspace() and not UNSPACED_SIGN.match(sign)
