"""Words of a text, for any language: the unit of BM25, of overlap and of near-duplicate detection."""

from __future__ import annotations

import re
import unicodedata

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Scripts written without spaces (Japanese, Chinese, Thai, Lao, Burmese, Khmer): each sign is a word."""

_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")


def words(text: str) -> list[str]:
    """Gives the words of a text, in order: compatibility forms unified, case folded, plural s taken off."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return [_singular(word) for word in _WORD.findall(text.casefold())]


def _singular(word: str) -> str:
    """Takes a plural s off (Harman's S-stemmer, third rule), which is harmless in other languages."""
    if len(word) > 3 and word[-1] == "s" and word[-2] not in "su":
        return word[:-1]
    return word


def approximate_tokens(text: str) -> int:
    """Estimates the tokens of a text without a tokenizer: 1.3 a word, rounded up."""
    return -(-13 * len(_WORD.findall(text)) // 10)
