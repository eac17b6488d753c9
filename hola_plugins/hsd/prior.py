"""Match probabilities before any evidence, by level and calibration bucket."""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.level import Float32
from hola_plugins.hsd.retrieval import RETRIEVAL_BUCKETS
from hola_plugins.hsd.transition_table import TRANSITION_BUCKETS

BUCKETS = max(RETRIEVAL_BUCKETS, TRANSITION_BUCKETS)
"""Columns of the calibration."""


def prior_calibration(levels: int) -> Float32:
    """Gives the prior, float32[levels, BUCKETS]; further levels start at one half."""
    return np.full((levels, BUCKETS), 0.5, dtype=np.float32)
