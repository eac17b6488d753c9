"""One query on its way through the retriever; the same for threads and for coroutines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from langchain_core.documents import Document

from hola_plugins.adacomp.audit import AuditTrail
from hola_plugins.adacomp.compression import CompressedPassage
from hola_plugins.adacomp.evidence import Evidence, EvidenceFilter, Finding
from hola_plugins.adacomp.gate import nearest
from hola_plugins.adacomp.pipeline import Depth, DepthPlan, Searching, find_depth
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.widening import SearchStep
from hola_plugins.langchain.compressor import SentenceCompressor, shortened
from hola_plugins.langchain.confidence import ModelConfidence
from hola_plugins.langchain.explanation import Explanation, PassageStory
from hola_plugins.langchain.sources import Found

logger = logging.getLogger(__name__)

_PASSED = Finding(None)


def check_query(query: str, k: int | None) -> None:
    """Refuses what cannot be asked.

    Args:
        query: The question.
        k: Passages wanted; None lets the depth follow the query.

    Raises:
        TypeError: A query that is no string, such as the input of a chain.
        ValueError: A blank query or a k under 1.
    """
    if not isinstance(query, str):
        raise TypeError(
            f"query must be a string, got {type(query).__name__}: hand over the question alone, such as "
            'itemgetter("question") | retriever, or the text of the last message'
        )
    if not query.strip():
        raise ValueError(f"query must have a character that is not blank, got {query!r}")
    if k is not None and k < 1:
        raise ValueError(f"k must be >= 1, got {k}; leave it out for a depth that follows the query")


@dataclass(slots=True)
class QueryRun:
    """Holds a query between its searches: `start`, `advance` until it gives None, `finish`.

    Attributes:
        query: The question.
        plan: How its depth is found.
        source: Class of what is searched.
        search_kwargs: What is passed to its search.
        confidence: Asks the model first; None does not.
        evidence: Rules for passages; None has none.
        compressor: Cuts to a budget; None keeps passages whole.
        source_key: Metadata key of a document's source.
        metadata_key: Metadata key for the reason; None writes none.
        audit: Trail to write to.
        warn_once: Logs a warning that another query may have had.
        warnings: What the calibration cannot promise.
    """

    query: str
    plan: DepthPlan
    source: str
    search_kwargs: Mapping[str, Any]
    confidence: ModelConfidence | None
    evidence: EvidenceFilter | None
    compressor: SentenceCompressor | None
    source_key: str
    metadata_key: str | None
    audit: AuditTrail | None
    warn_once: Callable[[str], None]
    warnings: tuple[str, ...] = ()
    _vector: Float32 | None = None
    _searching: Searching | None = None
    _found: Found | None = None
    _depth: Depth | None = field(default=None)
    _unsure: str | None = None

    def start(self, vector: Float32 | None) -> SearchStep | None:
        """Gives the first search; None where the model needs no passage."""
        self._vector = vector
        if self.plan.k is None and self._model_is_sure():
            return None
        self._searching = find_depth(self.query, self.plan)
        return next(self._searching)

    def _model_is_sure(self) -> bool:
        """Asks the model; where that fails, it is not sure, and passages are looked for."""
        if self.confidence is None:
            return False
        try:
            return self.confidence.is_sure(self.query)
        except Exception as error:
            logger.warning("the model's confidence is unknown; passages are retrieved", exc_info=True)
            self._unsure = f"the model's confidence is unknown ({type(error).__name__}: {error})"
            return False

    def advance(self, found: Found) -> SearchStep | None:
        """Takes the result of a search; gives the next one, or None when the depth is known."""
        self._found = found
        if self._searching is None:
            raise RuntimeError("advance must follow a start that gave a search")
        try:
            return self._searching.send(found.candidates)
        except StopIteration as stop:
            self._depth = stop.value
            return None

    def finish(self) -> Explanation:
        """Fetches, filters and compresses the chosen passages; writes the audit trail."""
        explanation = self._story() if self._depth is not None else self._skipped()
        if self.audit is not None:
            self.audit.write(explanation.as_json())
        return explanation

    def _skipped(self) -> Explanation:
        return Explanation(self.query, "model_confident", "none", (), (), warnings=self.warnings)

    def _story(self) -> Explanation:
        depth, found = self._depth, self._found
        if depth is None or found is None:
            raise RuntimeError("finish must follow a search")
        documents = found.fetch([found.candidates.ids[row] for row in depth.decision.kept])
        rows = [row for row in depth.decision.kept if found.candidates.ids[row] in documents]
        findings = self._judge([documents[found.candidates.ids[row]] for row in rows], depth, rows)
        shown = [row for row, finding in zip(rows, findings, strict=True) if finding.dropped is None]
        texts = {row: documents[found.candidates.ids[row]].page_content for row in shown}
        compressed = self._compress(texts, depth)
        lengths = self._lengths(texts, compressed)
        ranks = {row: rank for rank, row in enumerate(depth.decision.kept, start=1)}
        stories = [
            _story_of(ranks[row], row, finding, depth, compressed.get(row), lengths.get(row))
            for row, finding in zip(rows, findings, strict=True)
        ]
        gate = self.plan.gate
        comparable = len(depth.candidates) > 0 and depth.candidates.scored
        return Explanation(
            query=self.query,
            reason=depth.decision.reason,
            level=depth.level,
            passages=tuple(stories),
            documents=tuple(
                self._document(documents[story.id], story, depth)
                for story in stories
                if story.dropped is None
            ),
            cut_by=partial(_cut, depth, frozenset(rows)),
            source=self.source,
            search_kwargs=self.search_kwargs,
            candidates=len(depth.candidates),
            searches=depth.searches,
            threshold=depth.decision.threshold,
            nearest=nearest(depth.candidates) if comparable else None,
            evidence=gate.evidence(depth.candidates) if comparable and gate is not None else None,
            floor=gate.floor if gate is not None and np.isfinite(gate.floor) else None,
            warnings=(*self.warnings, *self._failures(depth)),
        )

    def _failures(self, depth: Depth) -> list[str]:
        """Says what failed, and what could not be applied to the chosen passages."""
        found = [self._unsure, depth.decision.failure]
        if self.evidence is not None and depth.decision.k:
            unapplied = self.evidence.unapplied(depth.decision.relevance)
            if unapplied:
                self.warn_once(unapplied)
            found.append(unapplied)
        return [one for one in found if one]

    def _judge(self, documents: list[Document], depth: Depth, rows: list[int]) -> list[Finding]:
        if self.evidence is None:
            return [_PASSED] * len(rows)
        relevance = depth.decision.relevance
        return self.evidence.judge(
            [
                Evidence(
                    document.page_content,
                    document.metadata.get(self.source_key),
                    relevance[row] if relevance is not None else None,
                )
                for document, row in zip(documents, rows, strict=True)
            ]
        )

    def _compress(self, texts: dict[int, str], depth: Depth) -> dict[int, CompressedPassage]:
        """Gives what is left of each passage, by its row among the candidates."""
        if self.compressor is None or not texts:
            return {}
        rows = list(texts)
        priors = depth.candidates.fused[rows]
        kept = self.compressor.compress(self.query, list(texts.values()), priors, self._vector)
        return {rows[one.row]: one for one in kept}

    def _lengths(self, texts: dict[int, str], compressed: dict[int, CompressedPassage]) -> dict[int, int]:
        """Gives the length of each whole passage that went to the compressor, by its row."""
        if self.compressor is None:
            return {}
        measure = self.compressor.length_function
        return {
            row: compressed[row].original_length if row in compressed else measure(text)
            for row, text in texts.items()
        }

    def _document(self, document: Document, story: PassageStory, depth: Depth) -> Document:
        """Writes the reason into a document, which is a copy already, and cuts it to what the compressor kept."""
        if self.metadata_key is not None:
            document.metadata[self.metadata_key] = _facts(story, depth)
        if story.compressed is None:
            return document
        return shortened(document, story.compressed, self.metadata_key)


def _facts(story: PassageStory, depth: Depth) -> dict[str, Any]:
    """Says why a passage is returned."""
    facts: dict[str, Any] = {
        "reason": depth.decision.reason,
        "level": depth.level,
        "rank": story.rank,
        "score": round(story.score, 4),
    }
    if story.relevance is not None:
        facts["relevance"] = round(story.relevance, 4)
    if story.marks:
        facts["marks"] = list(story.marks)
    return facts


def _story_of(
    rank: int,
    row: int,
    finding: Finding,
    depth: Depth,
    left: CompressedPassage | None,
    length: int | None,
) -> PassageStory:
    return PassageStory(
        *_figures(rank, row, depth),
        dropped=finding.dropped or ("over_budget" if length is not None and left is None else None),
        marks=finding.marks,
        compressed=left,
        length=length,
    )


def _cut(depth: Depth, fetched: frozenset[int]) -> tuple[PassageStory, ...]:
    """Gives the stories of the candidates that were not fetched: the depth left them out, or they went meanwhile."""
    chosen = frozenset(depth.decision.kept)
    return tuple(
        PassageStory(*_figures(rank, row, depth), dropped="gone" if row in chosen else "beyond_depth")
        for rank, row in enumerate(depth.order, start=1)
        if row not in fetched
    )


def _figures(rank: int, row: int, depth: Depth) -> tuple[str, int, float, float, float | None]:
    """Gives id, rank, similarity, score and relevance of a candidate."""
    found, relevance = depth.candidates, depth.decision.relevance
    probability = relevance[row] if relevance is not None else None
    return found.ids[row], rank, float(found.dense[row]), float(found.fused[row]), probability
