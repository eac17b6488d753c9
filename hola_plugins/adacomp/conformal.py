"""Conformal thresholds: how low to cut so that a target holds on the next query too.

Both hold for queries exchangeable with the labelled ones, whatever the scores are worth; bad scores only
make the threshold low. Sources: split conformal prediction (Vovk et al. 2005; Angelopoulos and Bates
2107.07511, section 1) and conformal risk control (Angelopoulos et al. 2208.02814, section 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hola_plugins.adacomp.signals import Float64

NEVER = -math.inf
"""The threshold that keeps everything: the labels cannot carry the target."""


def coverage_threshold(scores: Sequence[float], target: float) -> float:
    """Gives the highest threshold under which a new query's score falls with probability at most 1 - target.

    Args:
        scores: One a labelled query: the score of its worst needed passage, -inf where that is out of reach.
        target: Share of queries to be covered, in (0, 1).

    Returns:
        The ``floor((1 - target) * (n + 1))``-th smallest score; `NEVER` with fewer than 1 / (1 - target) - 1 labels.
    """
    check_target(target)
    rank = math.floor((1.0 - target) * (len(scores) + 1) + 1e-9)
    return sorted(scores)[rank - 1] if rank >= 1 else NEVER


def recall_threshold(scores: Sequence[Float64], target: float) -> float:
    """Gives the highest threshold that keeps the expected recall of a new query at or over the target.

    Args:
        scores: For each labelled query the scores of all its needed passages, -inf where out of reach.
        target: Mean recall wanted, in (0, 1).

    Returns:
        The threshold; `NEVER` where no finite one will do.
    """
    check_target(target)
    count = len(scores)
    values = np.concatenate(scores) if count else np.zeros(0)
    weights = np.concatenate([np.full(len(s), 1.0 / len(s)) for s in scores]) if count else np.zeros(0)
    order = np.argsort(-values, kind="stable")
    recall = np.cumsum(weights[order])
    allowed = recall >= (count + 1) * target - 1e-9
    if not allowed.any():
        return NEVER
    return float(values[order][int(np.argmax(allowed))])


def check_target(target: float) -> None:
    """Refuses a target outside (0, 1).

    Raises:
        ValueError: With the value and the remedy.
    """
    if not 0.0 < target < 1.0:
        raise ValueError(f"target must be over 0 and under 1, got {target}: 0.9 is a common choice")


def fewest_labels(target: float) -> int:
    """Gives the number of labelled queries under which a target cannot be promised."""
    return math.ceil(1.0 / (1.0 - target) - 1e-9) - 1
