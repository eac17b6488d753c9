"""The evidence gate: nothing is returned where the corpus has nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hola_plugins.adacomp.conformal import coverage_threshold
from hola_plugins.adacomp.source import Candidates

COVERAGE_WORTH = 0.8
"""Worth of a passage with all the question's rare words, in units of cosine; beside the cosine it tells best."""


@dataclass(frozen=True, slots=True)
class EvidenceGate:
    """Closes where even the best passage is less evidence than real questions to the corpus find.

    Attributes:
        floor: Evidence under which there is none; -inf never closes.
        coverage_worth: Worth of all the question's rare words; 0 leaves the similarity alone.
    """

    floor: float
    coverage_worth: float = COVERAGE_WORTH

    def closes(self, candidates: Candidates) -> bool:
        """Says whether the corpus has nothing; never of a source that gives no similarities."""
        return candidates.scored and self.evidence(candidates) < self.floor

    def evidence(self, candidates: Candidates) -> float:
        """Gives what `evidence` gives, at the gate's worth of words."""
        return evidence(candidates, self.coverage_worth)


def nearest(candidates: Candidates) -> float:
    """Gives the similarity of the nearest passage."""
    return float(candidates.dense.max())


def evidence(candidates: Candidates, coverage_worth: float = COVERAGE_WORTH) -> float:
    """Gives the evidence of the best passage: its similarity, and the share of the question's rare words that it holds.

    Chat and tasks often come near some passage but share few of their words with it.
    """
    rarity = candidates.words.rarity
    coverage = candidates.words.holds @ (rarity / max(float(rarity.sum()), 1e-9))
    return float((candidates.dense + coverage_worth * coverage).max())


def evidence_floor(evidence_of_labelled: Sequence[float], false_skips: float) -> float:
    """Gives the floor that a new question to the corpus misses with probability at most `false_skips`.

    Args:
        evidence_of_labelled: Evidence found for each question known to have some.
        false_skips: Share of such questions that may be turned away, in (0, 1).

    Returns:
        The floor; -inf, a gate that never closes, with fewer than 1 / false_skips - 1 questions.
    """
    return coverage_threshold(evidence_of_labelled, 1.0 - false_skips)
