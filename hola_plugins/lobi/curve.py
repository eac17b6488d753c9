"""Size against expected divergence: the solver's plan at many budgets, from scores that are there already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


def tradeoff(allocation: Allocation) -> list[Point]:
    """Solves for budgets from the smallest checkpoint to the largest that scores still ask for.

    Args:
        allocation: What was found under the run's own budget; its scores are used.

    Returns:
        Points of different sizes, smallest first; one where there is nothing to choose.
    """
    budget, scores = allocation.budget, allocation.scores
    at_ease = Plan(
        "at ease",
        {group: min(names, key=scores[group].__getitem__) for group, names in budget.allowed.items()},
    )
    least, most = budget.size(budget.smallest()), budget.size(at_ease)
    sizes = (least + (most - least) * np.linspace(0.0, 1.0, _POINTS) ** 2).astype(int)
    found: dict[int, Point] = {}
    for size in track(sizes, "size against divergence", len(sizes)):
        plan = budget.of(int(size)).solve(scores)
        point = Point(budget.size(plan), plan.score(scores))
        found[point.size] = point
    return [found[size] for size in sorted(found)]
