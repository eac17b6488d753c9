"""What `explain` gives: the whole story of one query."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.documents import Document
from pydantic_core import to_jsonable_python

from hola_plugins.adacomp.compression import CompressedPassage
from hola_plugins.adacomp.decision import Level, Reason


@dataclass(frozen=True, slots=True)
class PassageStory:
    """What became of one passage.

    Attributes:
        id: Its id.
        rank: Place in the order of relevance, from 1.
        similarity: To the query; made up for a source that only ranks.
        score: Similarity and BM25 combined.
        relevance: Calibrated probability of being relevant; None without calibration.
        dropped: Why it is not among the documents; None if it is.
        marks: Marks of instructions hidden in it.
        compressed: What the compressor kept of it; None if it did not run, or kept nothing.
        length: Length of the whole passage, if the compressor ran.
    """

    id: str
    rank: int
    similarity: float
    score: float
    relevance: float | None
    dropped: str | None = None
    marks: tuple[str, ...] = ()
    compressed: CompressedPassage | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one query.

    Attributes:
        query: The question.
        reason: Why this depth.
        level: none, shallow or deep.
        passages: What became of the passages chosen by depth, best first.
        cut_by: Gives `cut`, which few ask for.
        documents: What is returned.
        source: Class of the store or retriever that was searched; None where nothing was.
        search_kwargs: What was passed to the search, such as a filter.
        candidates: Passages compared in the last search.
        searches: Number of searches.
        threshold: Relevance from which a passage was kept; None where none was applied.
        nearest: Similarity of the nearest passage; None without candidates or similarities.
        evidence: What the none-gate compares with the floor; None without a gate, candidates or similarities.
        floor: Evidence under which there is no evidence; None if the gate is open.
        warnings: What the calibration cannot promise, and what failed: the policy, a signal, the model's confidence, or what
            was not applied: a minimum relevance without calibration.
    """

    query: str
    reason: Reason
    level: Level
    passages: tuple[PassageStory, ...]
    documents: tuple[Document, ...]
    cut_by: Callable[[], tuple[PassageStory, ...]] = field(default=tuple, repr=False, compare=False)
    source: str | None = None
    search_kwargs: Mapping[str, Any] = field(default_factory=dict)
    candidates: int = 0
    searches: int = 0
    threshold: float | None = None
    nearest: float | None = None
    evidence: float | None = None
    floor: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def k(self) -> int:
        """Number of returned documents."""
        return len(self.documents)

    @property
    def cut(self) -> tuple[PassageStory, ...]:
        """The other candidates of the last search, best first: "beyond_depth", or "gone" where a chosen one went."""
        return self.cut_by()

    @property
    def tokens_before(self) -> int | None:
        """Length of the passages before compression; None if the compressor did not run."""
        lengths = [one.length for one in self.passages if one.length is not None]
        return sum(lengths) if lengths else None

    @property
    def tokens_after(self) -> int | None:
        """Length after it."""
        if self.tokens_before is None:
            return None
        return sum(one.compressed.length for one in self.passages if one.compressed is not None)

    def as_json(self) -> dict[str, Any]:
        """Gives the story as plain JSON values, without the texts."""
        dropped = [one for one in self.passages if one.dropped is not None]
        return {
            "query": self.query,
            "searched": self._searched(),
            "reason": self.reason,
            "level": self.level,
            "k": self.k,
            "candidates": self.candidates,
            "searches": self.searches,
            "threshold": self.threshold,
            "nearest": self.nearest,
            "evidence": self.evidence,
            "floor": self.floor,
            "tokens_before": self.tokens_before,
            "tokens_after": self.tokens_after,
            "kept": [_passage_json(one) for one in self.passages if one.dropped is None],
            "dropped": [_passage_json(one) for one in (*dropped, *self.cut)],
            "warnings": list(self.warnings),
        }

    def _searched(self) -> dict[str, Any] | None:
        if self.source is None:
            return None
        try:
            keywords = to_jsonable_python(self.search_kwargs, fallback=_named, bytes_mode="base64")
        except (ValueError, RecursionError):
            keywords = {key: _named(value) for key, value in self.search_kwargs.items()}
        return {**keywords, "source": self.source}


def _passage_json(story: PassageStory) -> dict[str, Any]:
    content: dict[str, Any] = {"id": story.id, "rank": story.rank, "score": _rounded(story.score)}
    if story.relevance is not None:
        content["relevance"] = _rounded(story.relevance)
    if story.dropped is not None:
        content["why"] = story.dropped
    if story.marks:
        content["marks"] = list(story.marks)
    if story.compressed is not None:
        content["kept_sentences"] = list(story.compressed.kept)
        if story.compressed.truncated:
            content["truncated"] = True
    return content


def _named(value: object) -> str:
    """Names what JSON has no word for: a function, or an object by its text."""
    return str(getattr(value, "__qualname__", value))


def _rounded(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
