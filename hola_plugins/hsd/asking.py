"""Whether a neural level is worth its time: expected tokens against measured seconds.

A request whose draft survives with probability S and whose neural level matches with probability q gains
S (q + q^2 + ...) tokens from asking it again and again, less what the cheap offer would bring anyway. A token
is worth the seconds that serving takes for one, and costs what verifying it takes; asking is worth it
where the tokens of all requests together are worth more than the forward passes (the bound of
Polybasic speculative decoding, arXiv 2510.26527, with measured costs).
"""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.level import Float32, Int32, Int64

_FADING = 0.98


class ForwardCost:
    """The seconds of a forward pass, a + b tokens, fitted to the passes that were run; older ones fade."""

    def __init__(self) -> None:
        self._sums = np.zeros(5)

    def observe(self, tokens: int, seconds: float) -> None:
        """Takes in one pass over ``tokens`` tokens, padding included; an outlier counts as twice the expected."""
        if self._sums[0] >= 4.0:
            seconds = min(seconds, 2.0 * self.seconds(tokens))
        self._sums *= _FADING
        self._sums += (1.0, tokens, seconds, tokens * tokens, tokens * seconds)

    def seconds(self, tokens: float) -> float:
        """Gives the expected seconds of a pass; 0 before any was measured."""
        weight, x, y, xx, xy = self._sums
        if weight == 0.0:
            return 0.0
        spread = weight * xx - x * x
        slope = max(0.0, (weight * xy - x * y) / spread) if spread > 1e-6 * weight * xx else 0.0
        return float(max((y - slope * x) / weight + slope * tokens, 0.1 * y / weight))


def worth_asking(
    survival: Float32,
    match: Float32,
    offered: Float32,
    room: Int32,
    price: float,
    token_seconds: float,
    first_seconds: float,
    next_seconds: float,
    rounds: int,
) -> Int64:
    """Chooses the requests for which a neural level is asked.

    Args:
        survival: Probability that each draft so far is accepted, float32[rows].
        match: Probability that the level's next token matches, float32[rows].
        offered: Probability of the cheap levels' offer for the next token, 0 for none, float32[rows].
        room: Tokens that each draft may still grow, int32[rows].
        price: Survival under which a token does not pay for its verification.
        token_seconds: Seconds that serving takes for one token of the batch.
        first_seconds: Seconds of the next forward pass.
        next_seconds: Seconds of each one after it.
        rounds: Most forward passes.

    Returns:
        The rows to ask; empty where it does not pay.
    """
    powers = match[:, None] ** np.arange(1, rounds + 1)
    brings = np.maximum(survival[:, None] * powers - price, 0.0)
    brings[np.arange(rounds) >= room[:, None]] = 0.0
    gains = np.maximum(np.cumsum(brings, axis=1) - np.maximum(survival * offered - price, 0.0)[:, None], 0.0)
    profits = token_seconds * gains.sum(axis=0) - first_seconds - next_seconds * np.arange(rounds)
    best = int(np.argmax(profits))
    return np.flatnonzero(gains[:, best] > 0.0) if profits[best] > 0.0 else np.empty(0, dtype=np.int64)
