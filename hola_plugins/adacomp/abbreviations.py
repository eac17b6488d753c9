"""Full stops that end no sentence: those of abbreviations, initials, ordinals, and any before a small letter."""

from __future__ import annotations

import re

_ABBREVIATIONS = frozenset((
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "gen", "col", "lt", "sgt", "capt", "rev", "hon",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "vs", "etc", "e.g", "i.e", "cf", "al", "approx", "est", "ca", "c", "u.s", "u.k",
    "inc", "ltd", "co", "corp", "dept", "univ", "vol", "fig", "eq", "p", "pp", "ed", "eds",
    "bzw", "bzgl", "usw", "vgl", "ggf", "evtl", "inkl", "sog", "nr", "str", "dipl", "ing",
    "z.b", "d.h", "u.a", "z.t", "v.a", "u.u", "s.o", "s.u", "n.chr", "v.chr",
    "mme", "mlle", "mgr", "p.ex",
    "sra", "srta", "dra", "ud", "uds", "ee", "p.ej",
    "डॉ", "प्रो",
))  # fmt: skip
"""In small letters, without white space."""

_BEFORE_NUMBERS = frozenset(("abs", "art", "ch", "kap", "no", "nos", "núm", "sec", "tab", "v", "ziff"))
"""Those that are words of their own, or end sentences, unless a number follows."""

_LAST_WORD = re.compile(r"((?:(?<!\w)[^\W\d_]\.\s)*|(?<!\w)\d{1,2}\.\s)([^\s(\[\"'“‘]+)$")  # noqa: RUF001
"""What stands before a stop, after the parts of one abbreviation that are written apart, like `z.` of `z. B.` and `3.` of `3. 5.`."""

_NEXT_PART = re.compile(r"[^\W\d_]{1,3}\.")
_NUMBER = re.compile(r"[\d§]")

_MONTH_AND_YEAR = re.compile(r"\d{1,2}\.\s*\d{2}(?:\d{2})?\b")

_DATE = re.compile(r"(?:\d{1,2}\.\s\d{1,2}\.\s(?:\d{2})?|(?:0\d\.[01]\d|[0-3]\d\.0\d)\.\s(?:19|20))\d{2}\b")
"""A date of which the parts are written apart, or only its year, as in `03.05. 2024`; `3.5.` may be a decimal."""

_COUNTED = re.compile(
    r"(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
    r"|Weltkrieg|Jahrhundert|Jahrtausend|Halbjahr|Quartal|Lebensjahr|Geburtstag|Werktag|Monat|Woche|Auflage"
    r"|Kapitel|Absatz|Obergeschoss|Stockwerk|Klasse|Bundesliga|Spieltag|Strafsenat|Zivilsenat)(?:e?s|e?n|e)?\b"
)
"""What German counts with a full stop, as in `3. Mai`: nouns of which English shares but the months."""


def continues(text: str, start: int, stop: int, end: int) -> bool:
    """Says whether a sentence goes on after a full stop.

    Args:
        text: The text.
        start: Where the sentence starts.
        stop: Where the full stop stands.
        end: Where what belongs to it ends, a closing quotation mark, for example.
    """
    following = text[end : end + 20].lstrip()
    found = _LAST_WORD.search(text, max(start, stop - 20), stop)
    return following[:1].islower() or (found is not None and _expects(found[1], found[2], following))


def _expects(parts: str, word: str, following: str) -> bool:
    """Says whether an abbreviation, an initial or a number takes what follows."""
    if _DATE.match(f"{parts}{word}. {following}"):
        return True
    if len(word) <= 2 and word.isdigit():
        return bool(_COUNTED.match(following) or _MONTH_AND_YEAR.match(following))
    if word.casefold() in _BEFORE_NUMBERS and _NUMBER.match(following):
        return True
    if len(word) == 1 and (word.isupper() or _NEXT_PART.match(following)):
        return True
    return _is_listed(parts, word)


def _is_listed(parts: str, word: str) -> bool:
    """Says whether a word is an abbreviation, alone or with the parts before it."""
    return not _ABBREVIATIONS.isdisjoint((word.casefold(), "".join((parts + word).split()).casefold()))
