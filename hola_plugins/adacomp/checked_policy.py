"""What stands where a depth policy fails: the fused order and the most passages, so that a query still has its answer."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from hola_plugins.adacomp.decision import DepthBounds, DepthDecision
from hola_plugins.adacomp.policy import DepthPolicy
from hola_plugins.adacomp.source import Candidates

logger = logging.getLogger(__name__)


def decide_or_fall_back(
    policy: DepthPolicy, query: str, candidates: Candidates, bounds: DepthBounds
) -> DepthDecision:
    """Asks a policy; where it raises or gives no usable decision, keeps the first k_max candidates and says so.

    There is no deadline: a thread cannot be stopped, so a signal that asks a model needs that model's timeout.
    """
    try:
        decision = policy.decide(query, candidates, bounds)
        _check(decision, len(candidates))
    except Exception as error:
        logger.warning(
            "%s failed; the first %d passages stand", type(policy).__name__, bounds.k_max, exc_info=True
        )
        return DepthDecision(
            "policy_failed",
            tuple(range(len(candidates))),
            bounds.clip(bounds.k_max, len(candidates)),
            failure=f"{type(policy).__name__} failed ({type(error).__name__}: {error}): the fused order stands",
        )
    return decision


def _check(decision: Any, n: int) -> None:
    """Checks a decision on n candidates.

    Raises:
        TypeError: No decision at all.
        ValueError: Rows that are not there or come twice, a depth that is no number, a relevance that is none.
    """
    if not isinstance(decision, DepthDecision):
        raise TypeError(f"a policy must give a DepthDecision, got {type(decision).__name__}")
    if not issubclass(type(decision.k), Integral) or not 0 <= decision.k <= len(decision.order):
        raise ValueError(f"k must be from 0 to the {len(decision.order)} rows of order, got {decision.k!r}")
    if not _are_rows(decision.order, n):
        raise ValueError(f"order must be distinct rows from 0 to {n - 1}, got {decision.order!r:.80}")
    if decision.relevance is not None and not (
        len(decision.relevance) == n and all(map(math.isfinite, decision.relevance))
    ):
        raise ValueError(f"relevance must be {n} finite numbers, got {decision.relevance!r:.80}")


def _are_rows(order: Sequence[int], n: int) -> bool:
    """Tells whether these are distinct whole numbers from 0 to n - 1."""
    kinds = {*map(type, order)}
    return (
        len({*order}) == len(order)
        and {*order} <= {*range(n)}
        and all(issubclass(one, Integral) for one in kinds)
    )
