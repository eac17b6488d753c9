"""The depth policy that was calibrated on labelled queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hola_plugins.adacomp.calibration import Calibration
from hola_plugins.adacomp.conformal import NEVER
from hola_plugins.adacomp.decision import DepthBounds, DepthDecision
from hola_plugins.adacomp.logistic import probability
from hola_plugins.adacomp.signals import Signal, measure_all, names_of
from hola_plugins.adacomp.source import Candidates


@dataclass(frozen=True, slots=True)
class CalibratedPolicy:
    """Orders the candidates by calibrated relevance and keeps those that reach the threshold.

    Attributes:
        calibration: Weights and threshold.
        signals: What the weights are for.

    Raises:
        ValueError: Signals other than those of the calibration.
    """

    calibration: Calibration
    signals: Sequence[Signal]

    def __post_init__(self) -> None:
        given, wanted = names_of(self.signals), self.calibration.signals
        if given != wanted:
            raise ValueError(
                f"signals must be those of the calibration, {', '.join(wanted)}; got {', '.join(given)}: "
                "give the retriever the same signals, or calibrate again"
            )

    def decide(self, query: str, candidates: Candidates, bounds: DepthBounds) -> DepthDecision:
        """Keeps every candidate whose log-odds reach the threshold, within the bounds.

        Where the labels cannot carry the target, the fused order stands: the first k_max, as without labels.
        """
        log_odds = self.calibration.model.log_odds(measure_all(self.signals, query, candidates))
        threshold = self.calibration.threshold
        limited = threshold == NEVER
        order = np.arange(len(candidates)) if limited else np.argsort(-log_odds, kind="stable")
        k = bounds.clip(int(np.count_nonzero(log_odds >= threshold)), len(candidates))
        *relevance, least = probability(np.append(log_odds, threshold)).tolist()
        return DepthDecision(
            reason="depth_limit" if limited else "calibrated",
            order=tuple(order.tolist()),
            k=k,
            relevance=tuple(relevance),
            threshold=least,
        )
