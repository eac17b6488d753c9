"""Progressive widening: search further only while the further part still brings something."""

from __future__ import annotations

from dataclasses import dataclass

from hola_plugins.adacomp.decision import DepthDecision
from hola_plugins.adacomp.source import Candidates

FACTOR = 4
"""Growth of the candidates and of the effort with each step."""


@dataclass(frozen=True, slots=True)
class SearchStep:
    """How to search once.

    Attributes:
        n: Candidates asked for.
        effort: Factor on nprobe or efSearch.
        number: 0 for the first search of a query.
    """

    n: int
    effort: int = 1
    number: int = 0


def wider(
    step: SearchStep, candidates: Candidates, decision: DepthDecision, most_steps: int
) -> SearchStep | None:
    """Gives the next step, or None where it would bring nothing.

    It goes on where nothing would be returned, so that a coarse search alone never says that the corpus
    is empty, and where a kept passage was found in the last quarter of the search, so that more may follow.
    """
    if candidates.exhausted or step.number >= most_steps:
        return None
    if decision.kept and not _reaches_the_end(candidates, decision):
        return None
    return SearchStep(step.n * FACTOR, step.effort * FACTOR, step.number + 1)


def _reaches_the_end(candidates: Candidates, decision: DepthDecision) -> bool:
    """Says whether a kept passage lies in the last quarter of the candidates by fused score."""
    return max(decision.kept) >= len(candidates) - len(candidates) // 4
