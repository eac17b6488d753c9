"""Words of a text, for any language: the unit of BM25, of overlap and of near-duplicate detection."""

from __future__ import annotations

import re
import unicodedata

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Scripts written without spaces (Japanese, Chinese, Thai, Lao, Burmese, Khmer): each sign is a word."""

_LETTERS = rf"[^\W_{_UNSPACED}]"
UNSPACED_SIGN = re.compile(rf"[{_UNSPACED}]")
"""A sign of such a script."""

_MARKS = "".join(
    sign
    for sign in map(chr, range(0x300, 0xFE30))
    if unicodedata.category(sign) in {"Mn", "Mc"} and not UNSPACED_SIGN.match(sign)
)
"""Vowel signs, points and accents, which Python does not count as parts of a word."""

_WORD = re.compile(rf"[{_UNSPACED}]|{_LETTERS}+(?:[{_MARKS}]+{_LETTERS}*)*")
_WORD_ASCII = re.compile(rf"{_LETTERS}+")
_DOT_ABOVE = "\u0307"
"""What the capital I with a dot of Turkish leaves behind a small i when its case is folded."""


def words(text: str) -> list[str]:
    """Gives the words of a text, in order: compatibility forms unified, case folded, plural s taken off."""
    if text.isascii():
        found = _WORD_ASCII.findall(text.casefold())
    else:
        found = _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace(_DOT_ABOVE, ""))
    return [_singular(word) for word in found]


def contains_words(text: str, wanted: str) -> bool:
    """Tells whether a text holds what is wanted, word for word; where that has no word, sign for sign.

    Args:
        text: Where to look.
        wanted: A text that is not blank, such as an answer.
    """
    asked = " ".join(words(wanted))
    return f" {asked} " in f" {' '.join(words(text))} " if asked else wanted.strip() in text


def _singular(word: str) -> str:
    """Takes a plural s off (Harman's S-stemmer, third rule), which is harmless in other languages."""
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "su":
        return word[:-1]
    return word


def approximate_tokens(text: str) -> int:
    """Estimates the tokens of a text without a tokenizer: 1.3 a word, rounded up."""
    return -(-13 * len(_WORD.findall(text)) // 10)
