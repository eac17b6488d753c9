"""Match probabilities before any evidence: additive log-odds of what a calibration bucket stands for.

Fitted once by logistic regression on replayed outputs of two small models and on stories, code, maths and
edited passages; they count for eight judgements and then give way to what is seen.
"""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.level import Float32
from hola_plugins.hsd.retrieval import RETRIEVAL_BUCKETS
from hola_plugins.hsd.transition_table import TRANSITION_BUCKETS

BUCKETS = max(RETRIEVAL_BUCKETS, TRANSITION_BUCKETS)
"""Columns of the calibration."""

_REQUEST = (
    (-3.2, -0.8, -0.5, -0.16, 0.0, 0.12, 0.32, 0.61, 0.98, 2.33),
    (0.79, 1.44, 0.14, -0.57, -1.31),
    (-0.26, 0.05, 0.15, 0.56),
    (0.16, 0.33),
)
"""By match length, agreement, recent success, and first or later position."""

_STORE = (
    (-3.2, -1.3, -1.0, -0.69, -0.4, -0.27, 0.22, 0.23, 0.76, 1.46),
    (0.12, 1.34, 0.31, -0.36, -1.08),
    (-0.28, 0.06, 0.23, 0.31),
    (0.17, 0.16),
)
"""By the same."""

_TRANSITIONS = (
    (-0.56, -0.01, 0.34),
    (-0.38, 0.1, 0.16, -0.11),
    (-0.43, -0.44, -0.04, 0.69),
    (-0.82, -0.34, 0.29, 0.66),
    (-0.2, -0.02),
)
"""By context length, count, share, recent success, and first or later position."""


def prior_calibration(levels: int) -> Float32:
    """Gives the prior, float32[levels, BUCKETS]; further levels start at one half."""
    prior = np.full((levels, BUCKETS), 0.5, dtype=np.float32)
    for level, terms in enumerate((_REQUEST, _STORE, _TRANSITIONS)):
        odds = np.zeros(1)
        for term in terms:
            odds = np.add.outer(odds, np.array(term)).ravel()
        prior[level, : len(odds)] = 1.0 / (1.0 + np.exp(-odds))
    return prior
