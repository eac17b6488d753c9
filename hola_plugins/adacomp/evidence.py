"""The evidence filter: which passages may be shown to a model, and why not the others."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from hola_plugins.adacomp.injection import injection_marks
from hola_plugins.adacomp.words import words

_SHINGLE = 5
_MOST_SHINGLES = 2000
"""Shingles of a passage that are compared; a longer one is judged by its beginning."""

Verdict: TypeAlias = Literal["source_not_allowed", "below_minimum_relevance", "near_duplicate", "injection"]
"""Why a passage was dropped."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage before the filter.

    Attributes:
        text: Its text.
        source: Where it comes from, one place or several; None if unknown.
        relevance: Calibrated probability of being relevant; None without calibration.
    """

    text: str
    source: str | Sequence[str] | None = None
    relevance: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What the filter says about one passage.

    Attributes:
        dropped: Why it was dropped; None if it may be shown.
        marks: Marks of hidden instructions, dropped or not.
    """

    dropped: Verdict | None
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceFilter:
    """Rules for passages.

    Attributes:
        allowed_sources: Sources that may be shown; None allows all. A passage without a source is not one of them; of
            one with several, all must be.
        min_relevance: Least calibrated relevance, in [0, 1]; passages without one pass, and `unapplied` says so.
        near_duplicate: Share of five-word shingles in common, of the shorter passage's, from which the
            lower-ranked of two is dropped; None keeps all.
        injection: What to do with a passage that bears marks of hidden instructions.

    Raises:
        ValueError: A number out of range or an unknown choice.
    """

    allowed_sources: frozenset[str] | None = None
    min_relevance: float = 0.0
    near_duplicate: float | None = 0.8
    injection: Literal["flag", "drop", "ignore"] = "flag"

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_relevance <= 1.0:
            raise ValueError(f"min_relevance must be from 0 to 1, got {self.min_relevance}")
        if self.near_duplicate is not None and not 0.0 < self.near_duplicate <= 1.0:
            raise ValueError(
                f"near_duplicate must be over 0 and up to 1, got {self.near_duplicate}; None keeps all"
            )
        if self.injection not in {"flag", "drop", "ignore"}:
            raise ValueError(f"injection must be flag, drop or ignore, got {self.injection!r}")

    def unapplied(self, relevance: Sequence[float] | None) -> str | None:
        """Says that the minimum relevance holds nothing back where passages have no relevance; else None."""
        if relevance is not None or not self.min_relevance:
            return None
        return (
            f"min_relevance = {self.min_relevance:g} holds nothing back: the depth policy gave no calibrated relevance, "
            "and passages without one pass; calibrate, or load a calibration"
        )

    def judge(self, passages: Sequence[Evidence]) -> list[Finding]:
        """Judges passages, given best first; a duplicate is one of a passage that may be shown."""
        shown: list[frozenset[int]] = []
        findings = []
        for passage in passages:
            marks = () if self.injection == "ignore" else injection_marks(passage.text)
            shingles = _shingles(passage.text) if self.near_duplicate is not None else frozenset[int]()
            dropped = self._verdict(passage, marks, shingles, shown)
            findings.append(Finding(dropped, marks))
            if dropped is None:
                shown.append(shingles)
        return findings

    def _verdict(
        self,
        passage: Evidence,
        marks: tuple[str, ...],
        shingles: frozenset[int],
        shown: list[frozenset[int]],
    ) -> Verdict | None:
        if self.allowed_sources is not None and not _all_in(passage.source, self.allowed_sources):
            return "source_not_allowed"
        if passage.relevance is not None and passage.relevance < self.min_relevance:
            return "below_minimum_relevance"
        if marks and self.injection == "drop":
            return "injection"
        if self.near_duplicate is not None and any(
            _in_common(shingles, other) >= self.near_duplicate for other in shown
        ):
            return "near_duplicate"
        return None


def _all_in(source: object, allowed: frozenset[str]) -> bool:
    """Says whether a source, or each of several, is allowed; what metadata holds may be of any type."""
    sources = source if isinstance(source, list | tuple | set | frozenset) else [source]
    return bool(sources) and all(isinstance(one, Hashable) and one in allowed for one in sources)


def _shingles(text: str) -> frozenset[int]:
    """Gives the hashes of the five-word runs; of the whole where it is shorter."""
    found = words(text)[: _MOST_SHINGLES + _SHINGLE]
    return frozenset(
        hash(tuple(found[start : start + _SHINGLE])) for start in range(max(1, len(found) - _SHINGLE + 1))
    )


def _in_common(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / min(len(one), len(other))
