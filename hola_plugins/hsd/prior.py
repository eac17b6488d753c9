"""Match probabilities before any evidence: additive log-odds of what a calibration bucket stands for.

Fitted once by logistic regression on replayed outputs of two small models and on stories, code, maths and
edited passages; they count for eight judgements and then give way to what is seen.
"""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.intermediate import INTERMEDIATE_BUCKETS
from hola_plugins.hsd.level import FIRST_FURTHER, Float32
from hola_plugins.hsd.retrieval import RETRIEVAL_BUCKETS
from hola_plugins.hsd.transition_table import TRANSITION_BUCKETS

BUCKETS = max(RETRIEVAL_BUCKETS, TRANSITION_BUCKETS, INTERMEDIATE_BUCKETS)
"""Columns of the calibration."""

_REQUEST = (
    (-3.22, -0.7, -0.22, 0.05, 0.02, 0.24, 0.35, 0.58, 1.01, 2.42),
    (0.52, 1.42, 0.21, -0.5, -1.11),
    (-0.27, 0.04, 0.16, 0.61),
    (0.2, 0.35),
)
"""By match length, agreement, recent success, and first or later position."""

_STORE = (
    (-3.22, -1.39, -0.8, -0.3, -0.43, -0.03, 0.22, 0.47, 0.91, 1.48),
    (-0.1, 1.29, 0.31, -0.34, -1.04),
    (-0.34, 0.01, 0.05, 0.4),
    (0.09, 0.04),
)
"""By the same."""

_TRANSITIONS = (
    (-0.66, -0.02, 0.39),
    (-0.4, 0.14, 0.14, -0.17),
    (-0.48, -0.49, -0.04, 0.73),
    (-0.73, -0.29, 0.15, 0.59),
    (-0.22, -0.06),
)
"""By context length, count, share, recent success, and first or later position."""


_INTERMEDIATE = (
    (-3.0, -2.3, -1.7, -1.3, -0.9, -0.6, -0.4, -0.1, 0.1, 0.4, 0.6, 0.9, 1.3, 1.7, 2.3, 3.2),
    (0.0, -0.4),
    (-0.5, -0.2, 0.1, 0.3),
)
"""By the model's probability, whether a cheap level says otherwise, and recent success; not fitted."""

_AGREEMENT = (tuple(odds + 0.9 for odds in _INTERMEDIATE[0]), _INTERMEDIATE[2])
"""Where a cheap level says the same: by the model's probability and recent success; not fitted."""


def prior_calibration(levels: int, *, judged: bool) -> Float32:
    """Gives the prior, float32[levels, BUCKETS]; further levels start at one half.

    Args:
        levels: Levels, the intermediate one counting as two.
        judged: Whether it is among them.
    """
    prior = np.full((levels, BUCKETS), 0.5, dtype=np.float32)
    known = (_REQUEST, _STORE, _TRANSITIONS, _INTERMEDIATE, _AGREEMENT)
    for level, terms in enumerate(known[: FIRST_FURTHER[judged]]):
        odds = np.zeros(1)
        for term in terms:
            odds = np.add.outer(odds, np.array(term)).ravel()
        prior[level, : len(odds)] = 1.0 / (1.0 + np.exp(-odds))
    return prior
