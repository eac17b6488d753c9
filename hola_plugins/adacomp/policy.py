"""What every depth policy offers, and the one that needs no labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from hola_plugins.adacomp.decision import DepthBounds, DepthDecision
from hola_plugins.adacomp.source import Candidates


@runtime_checkable
class DepthPolicy(Protocol):
    """Decides how many candidates to keep."""

    def decide(self, query: str, candidates: Candidates, bounds: DepthBounds) -> DepthDecision:
        """Decides for one query; at least one candidate is given and, unless the corpus has nothing, kept."""


@dataclass(frozen=True, slots=True)
class GapPolicy:
    """Cuts where the fused scores fall most (adaptive-k, 2506.08479), with a few passages more.

    Attributes:
        buffer: Passages kept below the largest gap.
    """

    buffer: int = 2

    def decide(self, query: str, candidates: Candidates, bounds: DepthBounds) -> DepthDecision:
        """Keeps what lies above the largest gap among the first k_max + 1 scores, and `buffer` more."""
        scores = candidates.fused[: bounds.k_max + 1]
        cut = int(np.argmax(scores[:-1] - scores[1:])) + 1 if len(scores) > 1 else 1
        order = tuple(range(len(candidates)))
        return DepthDecision("largest_gap", order, bounds.clip(cut + self.buffer, len(order)))
