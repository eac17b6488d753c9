"""Where a text may be cut: between words, or between the signs of a script that is written without spaces."""

from __future__ import annotations

import unicodedata

from hola_plugins.adacomp.words import UNSPACED_SIGN


def is_unspaced(text: str) -> bool:
    """Says whether most of a text is in scripts that are written without spaces."""
    return not text.isascii() and 2 * len(UNSPACED_SIGN.findall(text)) > len(text)


def word_ends(text: str) -> list[int]:
    """Gives the places after which a text may be cut without halving a word, in order; its end is the last."""
    inside = [_in_word(sign) for sign in text] + [False]
    return [end for end in sign_ends(text) if not (inside[end - 1] and inside[end])]


def sign_ends(text: str) -> list[int]:
    """Gives the places after each sign that is no white space, the marks that belong to it included."""
    marks = [unicodedata.category(sign)[0] == "M" for sign in text] + [False]
    return [end for end, sign in enumerate(text, 1) if not sign.isspace() and not marks[end]]


def between_signs(text: str, most: int, least: int = 0) -> int:
    """Gives the last place over `least` and up to `most` before which no mark is parted from its letter; else `most`."""
    stop = most
    while least < stop < len(text) and unicodedata.category(text[stop])[0] == "M":
        stop -= 1
    return stop if stop > least else most


def _in_word(sign: str) -> bool:
    """Says whether a sign stands in a word that may be longer than it."""
    return not sign.isspace() and not UNSPACED_SIGN.match(sign)
