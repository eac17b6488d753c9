"""Compares plans on held-out text and keeps the best: no worse than any uniform or rule-made plan that fits.

Users of automatic mixed precision ask for exactly that (auto-round 2118, exllamav3 108).
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hola_plugins.lobi.calibration import Batch
from hola_plugins.lobi.divergence import Quality, Recorded, measure
from hola_plugins.lobi.fake_quantisation import Quantiser, quantised
from hola_plugins.lobi.plan import Plan
from hola_plugins.lobi.precision import computed_in_float32
from hola_plugins.lobi.progress import track
from hola_plugins.lobi.structure import Group

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """A plan, and how a model that computes by it does on held-out text.

    Attributes:
        plan: The plan.
        size: Bytes of model.safetensors under it.
        quality: Divergence and perplexity.
    """

    plan: Plan
    size: int
    quality: Quality


def largest_that_fit(
    families: Iterable[Sequence[Plan]], size_of: Callable[[Plan], int], fits: Callable[[Plan], bool]
) -> list[tuple[Plan, int]]:
    """Gives of each family, ordered from small to large, the largest plan that fits, equal plans once."""
    found: dict[tuple[tuple[str, str], ...], tuple[Plan, int]] = {}
    for family in families:
        count = bisect_left(family, True, key=lambda plan: not fits(plan))
        if count:
            plan = family[count - 1]
            found.setdefault(tuple(sorted(plan.schemes.items())), (plan, size_of(plan)))
    return list(found.values())


@computed_in_float32
def choose(
    model: Any,
    candidates: Sequence[tuple[Plan, int]],
    groups: Sequence[Group],
    batches: Sequence[Batch],
    original: Sequence[Recorded],
    quantise: Quantiser,
) -> list[Measured]:
    """Measures every candidate.

    Args:
        model: The model.
        candidates: Plans with their sizes; the solver's first, so that it wins ties.
        groups: The groups of the model.
        batches: Held-out text.
        original: What the original model says to it.
        quantise: How weights are rounded.

    Returns:
        All of them, the best first.
    """
    found = []
    for plan, size in track(candidates, "plans on held-out text", len(candidates)):
        with quantised(model, plan.by_layer(groups), quantise):
            found.append(Measured(plan, size, measure(model, batches, original)))
    found.sort(key=lambda one: one.quality.kl)
    logger.info("best of %d plans: %s, KL %.4g", len(found), found[0].plan.origin, found[0].quality.kl)
    return found
