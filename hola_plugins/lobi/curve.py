"""Size against expected divergence: the solver's plan at many budgets, from scores that are there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hola_plugins.lobi.budget import Budget
from hola_plugins.lobi.config import LoBiConfig
from hola_plugins.lobi.plan import Plan
from hola_plugins.lobi.progress import track
from hola_plugins.lobi.quantisation_plan import Allocation

_POINTS = 24
"""Budgets to solve for; closer to each other where bits are few and the divergence falls fast."""


@dataclass(frozen=True, slots=True)
class Point:
    """The best plan of one size.

    Attributes:
        size: Bytes of model.safetensors.
        score: Its expected divergence from the model before it is quantised, in nats a token.
    """

    size: int
    score: float


def tradeoff(config: LoBiConfig, model: Any, allocation: Allocation) -> list[Point]:
    """Solves for budgets from the smallest checkpoint to the largest that scores still ask for.

    Args:
        config: The settings.
        model: The model after any cut, before it is quantised.
        allocation: What was found under the run's own budget; its scores are used.

    Returns:
        Points of different sizes, smallest first; one where there is nothing to choose.
    """
    at_ease = Plan("at ease", {group: _best(row) for group, row in allocation.scores.items()})
    free = _unbounded(config, model, allocation)
    least, most = free.smallest(), free.size(at_ease)
    sizes = (least + (most - least) * np.linspace(0.0, 1.0, _POINTS) ** 2).astype(int)
    found: dict[int, Point] = {}
    for size in track(sizes, "size against divergence", len(sizes)):
        plan = free.of(int(size)).solve(allocation.scores)
        point = Point(free.size(plan), expected_divergence(plan, allocation))
        found[point.size] = point
    return [found[size] for size in sorted(found)]


def expected_divergence(plan: Plan, allocation: Allocation) -> float:
    """Gives the sum of a plan's scores, in nats a token."""
    return sum(allocation.scores[group][name] for group, name in plan.schemes.items())


def _best(row: dict[str, float]) -> str:
    """Gives the scheme of the lowest score; of equals the one of fewest bytes, which comes first."""
    return min(row, key=row.__getitem__)


def _unbounded(config: LoBiConfig, model: Any, allocation: Allocation) -> Budget:
    """Makes a budget over the same groups and choices, to take sizes and other budgets from."""
    allowed = {group: list(row) for group, row in allocation.scores.items()}
    in_bytes = {"target_bytes": None, "target_bits": None, "target_ratio": 1.0}
    return Budget(config.model_copy(update=in_bytes), model, allocation.groups, allowed, 1)
