"""One query from search to depth, whoever searches: a generator asks for searches and ends in a decision."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TypeAlias

from hola_plugins.adacomp.checked_policy import decide_or_fall_back
from hola_plugins.adacomp.decision import DepthBounds, DepthDecision, Level
from hola_plugins.adacomp.gate import EvidenceGate
from hola_plugins.adacomp.policy import DepthPolicy
from hola_plugins.adacomp.source import Candidates
from hola_plugins.adacomp.widening import SearchStep, wider

NOTHING = DepthDecision("empty_corpus", (), 0)


@dataclass(frozen=True, slots=True)
class DepthPlan:
    """How the depth of a query is found.

    Attributes:
        policy: Decides how many candidates to keep.
        bounds: Least and most of them.
        gate: Closes where the corpus has nothing; None never does.
        k: Exactly this many, past policy and gate; None lets them decide.
        first_search: Candidates of the first search.
        most_widenings: Searches that may follow it.
    """

    policy: DepthPolicy
    bounds: DepthBounds
    gate: EvidenceGate | None
    k: int | None
    first_search: int
    most_widenings: int


@dataclass(frozen=True, slots=True)
class Depth:
    """The decision of a query with what led to it.

    Attributes:
        decision: Which candidates to keep, and why.
        candidates: What the last search found.
        level: How far the search went.
        searches: Number of searches.
    """

    decision: DepthDecision
    candidates: Candidates
    level: Level
    searches: int

    @property
    def order(self) -> tuple[int, ...]:
        """Rows of all candidates, best first: the kept, then those that the depth leaves out."""
        return tuple(dict.fromkeys((*self.decision.order, *range(len(self.candidates)))))


Searching: TypeAlias = Generator[SearchStep, Candidates, Depth]
"""Yields how to search, is sent what that found, returns the depth."""


def find_depth(query: str, plan: DepthPlan) -> Searching:
    """Searches, decides, and searches wider while that may bring more."""
    step = SearchStep(max(plan.first_search, plan.k or 0))
    while True:
        candidates = yield step
        decision = decide(query, candidates, plan)
        following = None if plan.k else wider(step, candidates, decision, plan.most_widenings)
        if following is None:
            return Depth(decision, candidates, _level(decision, step), step.number + 1)
        step = following


def decide(query: str, candidates: Candidates, plan: DepthPlan) -> DepthDecision:
    """Decides on the candidates of one search."""
    if not len(candidates):
        return NOTHING
    decision = decide_or_fall_back(plan.policy, query, candidates, plan.bounds)
    if plan.k is not None:
        return replace(decision, reason="fixed_k", k=min(plan.k, len(candidates)), threshold=None)
    if plan.gate is not None and plan.gate.closes(candidates):
        return replace(decision, reason="no_evidence", k=0, threshold=None)
    return decision


def _level(decision: DepthDecision, step: SearchStep) -> Level:
    if not decision.kept:
        return "none"
    return "deep" if step.number else "shallow"
