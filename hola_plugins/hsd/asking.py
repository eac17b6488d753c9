"""Whether a neural level is worth its time: expected tokens against measured seconds.

Judging a draft saves a token where the draft is wrong and the level is right at that place, or where the draft
is right and ends: reach x rescue tokens, with reach the chance that all before is right. A token is worth the
seconds that serving takes for one, less its verification; asking pays where the tokens of all requests
together are worth more than the forward pass (the bound of Polybasic speculative decoding, arXiv
2510.26527, with measured costs).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hola_plugins.hsd.level import Float32, Float64, Int32, Int64

Bools = npt.NDArray[np.bool_]

_FADING = 0.98


class ForwardCost:
    """The seconds of a forward pass, a + b tokens, fitted to the passes that were run; older ones fade."""

    def __init__(self) -> None:
        self._sums = np.zeros(5)

    def observe(self, tokens: int, seconds: float) -> None:
        """Takes in one pass over ``tokens`` tokens, padding included.

        An outlier counts as twice the expected; a clock that went back tells nothing.
        """
        if seconds <= 0.0:
            return
        if self._sums[0] >= 4.0:
            seconds = min(seconds, 2.0 * self.seconds(tokens))
        self._sums *= _FADING
        self._sums += (1.0, tokens, seconds, tokens * tokens, tokens * seconds)

    def seconds(self, tokens: float) -> float:
        """Gives the expected seconds of a pass; 0 before any was measured."""
        weight, x, y, _, _ = self._sums
        if weight == 0.0:
            return 0.0
        slope = self.seconds_more
        return float(max((y - slope * x) / weight + slope * tokens, 0.1 * y / weight))

    @property
    def seconds_more(self) -> float:
        """The expected seconds of one more token in a pass."""
        weight, x, y, xx, xy = self._sums
        spread = weight * xx - x * x
        return float(max(0.0, (weight * xy - x * y) / spread)) if spread > 1e-6 * weight * xx else 0.0


def worth_of_judging(
    reach: Float32, rest: Float32, rescue: Float32, full: Bools, price: float, token_seconds: float
) -> Float64:
    """Gives what it is worth that a neural level judges each draft.

    Args:
        reach: Probability that the part of each draft that was judged before is accepted, float32[rows].
        rest: Probability that then the rest of it is, float32[rows].
        rescue: Probability that the level is right where the rest is wrong or ends, float32[rows].
        full: Drafts that cannot grow, bool[rows].
        price: Expected tokens that a token must bring to pay for its verification.
        token_seconds: Seconds that serving takes for one token of the batch.

    Returns:
        Seconds, float64[rows].
    """
    tokens = reach * rescue * np.where(full, 1.0 - rest, 1.0) - price
    worth: Float64 = token_seconds * tokens.astype(np.float64)
    return worth


def rows_that_pay(worth: Float64, cost: ForwardCost, tokens: Int32) -> tuple[Int64, float]:
    """Chooses the drafts to judge in one pass.

    Args:
        worth: What each is worth, seconds, float64[rows].
        cost: The cost of a pass.
        tokens: Tokens of each draft that the pass has to run, int32[rows].

    Returns:
        The rows to ask, int64[n], empty where it does not pay; and the share of their worth that the pass leaves.
    """
    rows = np.flatnonzero(worth > cost.seconds_more * tokens)
    if not len(rows):
        return rows, 0.0
    left = 1.0 - cost.seconds(len(rows) * int(tokens[rows].max())) / float(worth[rows].sum())
    return (rows, left) if left > 0.0 else (rows[:0], 0.0)
