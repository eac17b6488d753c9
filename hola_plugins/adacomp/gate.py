"""Two reasons to return nothing, kept apart: the corpus has nothing, or the model needs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hola_plugins.adacomp.conformal import coverage_threshold
from hola_plugins.adacomp.source import Candidates


@dataclass(frozen=True, slots=True)
class EvidenceGate:
    """Closes where even the nearest passage is further than those of real questions to the corpus.

    Attributes:
        floor: Similarity of the nearest passage under which there is no evidence; -inf never closes.
    """

    floor: float

    def closes(self, candidates: Candidates) -> bool:
        """Says whether the corpus has nothing; never of a source that gives no similarities."""
        return candidates.scored and nearest(candidates) < self.floor


@dataclass(frozen=True, slots=True)
class ConfidenceGate:
    """Closes where the model is sure of its answer without any passage.

    Attributes:
        threshold: Confidence from which nothing is retrieved, in the unit of the model signal.
    """

    threshold: float

    def closes(self, confidence: float) -> bool:
        """Says whether the model needs nothing."""
        return confidence >= self.threshold


def nearest(candidates: Candidates) -> float:
    """Gives the similarity of the nearest passage: alone it separates best among the signals measured."""
    return float(candidates.dense.max())


def evidence_floor(nearest_of_labelled: Sequence[float], false_skips: float) -> float:
    """Gives the floor that a new question to the corpus misses with probability at most `false_skips`.

    Args:
        nearest_of_labelled: Similarity of the nearest passage, one a question known to have evidence.
        false_skips: Share of such questions that may be turned away, in (0, 1).

    Returns:
        The floor; -inf, a gate that never closes, with fewer than 1 / false_skips questions.
    """
    return coverage_threshold(nearest_of_labelled, 1.0 - false_skips)
