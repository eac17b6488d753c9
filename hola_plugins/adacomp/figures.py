"""Figures of a text, found again where they are written another way."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from hola_plugins.adacomp.words import words

_OTHER_DIGIT = re.compile(r"[^\D0-9]")
_POINTS = {0x066B: ".", 0x066C: ",", 0xFF0E: "."}
"""Points and commas of Arabic and full-width figures."""

_GAP = " '\u2019\u00a0\u2007\u2009\u202f\uff0c"
"""Signs that stand between groups of three digits; between other digits they part two figures."""

_ONE = r"\d+(?:[.,]\d+)*"
_FIGURE = re.compile(rf"\d{{1,3}}(?:[{_GAP}]\d{{3}}(?!\d))+(?:[.,]\d+)*|{_ONE}")
_PART = re.compile(_ONE)
_GAPS = re.compile(f"[{_GAP}]")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3})+(?:,\d+)?|(?:,\d{3})+(?:\.\d+)?)")

_SPELT = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"
)  # fmt: skip


def figures_of(text: str) -> list[str]:
    """Gives the figures of a text as they are written, in the digits 0 to 9.

    Digits and gaps that may be one figure, such as 12 300, are one.
    """
    return _FIGURE.findall(_in_plain_digits(text))


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of texts, small ones that are written as English words too.

    A figure is among them if it has a reading in common with one of theirs. A point before one group of three digits is
    read both ways: 1.450 is 1450 as well as 1.45, and so finds either; a comma there is of thousands. Digits with a gap
    between groups of three are one figure or several: 12 300 finds 12300, and 12 and 300.

    Attributes:
        readings: What they may mean, each written one way.
    """

    readings: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Figures:
        """Reads the figures of a text."""
        spelt = [str(_SPELT.index(word)) for word in words(text) if word in _SPELT]
        written = [one for figure in figures_of(text) for one in (figure, *_PART.findall(figure))]
        return cls(frozenset([*spelt, *(reading for one in written for reading in _readings(one))]))

    @classmethod
    def together(cls, several: Iterable[Figures]) -> Figures:
        """Gives the figures of several texts as one."""
        return cls(frozenset().union(*(one.readings for one in several)))

    def __contains__(self, figure: str) -> bool:
        return self._has(figure) or all(map(self._has, _PART.findall(figure)))

    def _has(self, figure: str) -> bool:
        return not self.readings.isdisjoint(_readings(figure))


def _in_plain_digits(text: str) -> str:
    """Writes the digits of any script as 0 to 9; exponents are none."""
    if text.isascii():
        return text
    return _OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), text).translate(_POINTS)


def _readings(figure: str) -> tuple[str, ...]:
    """Gives what a figure may mean, each written one way: without separators of thousands and closing zeros."""
    closed = _GAPS.sub("", figure)
    if not _THOUSANDS.fullmatch(closed):
        return (_plain(closed),)
    separators = [sign for sign in closed if not sign.isdigit()]
    thousands = _plain(closed.replace(separators[0], ""))
    return (thousands, _plain(closed)) if separators == ["."] else (thousands,)


def _plain(number: str) -> str:
    """Writes a decimal comma as a point and leaves closing zeros out: 2,50 and 2.5 are the same."""
    pointed = number.replace(",", ".")
    return pointed.rstrip("0").rstrip(".") if "." in pointed else pointed
