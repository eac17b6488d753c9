"""What was decided for one query, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "fixed_k",
    "calibrated",
    "largest_gap",
    "depth_limit",
    "no_evidence",
    "model_confident",
    "empty_corpus",
    "policy_failed",
]
"""Why this depth.

fixed_k: the caller asked for it. calibrated: the passages whose relevance reaches the threshold.
largest_gap: without labels, where the scores fall most. depth_limit: the most that is allowed, because
the labels cannot carry the target. no_evidence: nothing in the corpus is near the question.
model_confident: the model answers without help. empty_corpus: there is nothing to search.
policy_failed: the most that is allowed, in the fused order, because the policy or one of its signals failed.
"""

Level: TypeAlias = Literal["none", "shallow", "deep"]
"""How far the search went: nothing kept, kept from the first search, or widened first."""


@dataclass(frozen=True, slots=True)
class DepthDecision:
    """Which candidates to keep.

    Attributes:
        reason: Why.
        order: Rows of the candidates, best first; the first `k` are kept.
        k: How many are kept.
        relevance: Calibrated probability that each row of the candidates is relevant; None without calibration.
        threshold: Relevance from which a passage is kept; None where none was applied.
        failure: What went wrong in the policy, if it failed.
    """

    reason: Reason
    order: tuple[int, ...]
    k: int
    relevance: tuple[float, ...] | None = None
    threshold: float | None = None
    failure: str | None = None

    @property
    def kept(self) -> tuple[int, ...]:
        """Rows of the kept candidates, best first."""
        return self.order[: self.k]


@dataclass(frozen=True, slots=True)
class DepthBounds:
    """Least and most passages a policy may keep when it keeps any.

    Raises:
        ValueError: Bounds that are not 1 <= k_min <= k_max.
    """

    k_min: int = 1
    k_max: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.k_min <= self.k_max:
            raise ValueError(
                f"k_min and k_max must satisfy 1 <= k_min <= k_max, got {self.k_min} and {self.k_max}"
            )

    def clip(self, k: int, available: int) -> int:
        """Brings a depth between the bounds, and under what there is."""
        return min(max(self.k_min, min(k, self.k_max)), available)
