"""Skipping retrieval where the model is sure of its answer already."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelConfidence:
    """A measure of the model's confidence and the value from which nothing is retrieved.

    Attributes:
        measure: Confidence of the model in answering a query alone, such as `LogprobMargin().confidence`;
            higher is surer.
        threshold: From here on the model answers alone. There is no safe default: choose it on questions whose
            answers you can check.
    """

    measure: Callable[[str], float]
    threshold: float

    def is_sure(self, query: str) -> bool:
        """Says whether the model needs no passage.

        Raises:
            ValueError: A measure that is no number.
        """
        confidence = self.measure(query)
        if not math.isfinite(confidence):
            raise ValueError(f"the confidence must be a finite number, got {confidence}")
        return confidence >= self.threshold
