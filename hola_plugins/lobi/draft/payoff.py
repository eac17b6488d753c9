"""Whether a draft is likely to pay: the expected speed-up of speculative decoding from acceptance and cost.

Leviathan et al. (arXiv 2211.17192), theorem 3.8: with acceptance rate a, draft length K and a draft step that costs c
target steps, decoding is (1 - a^(K+1)) / ((1 - a)(Kc + 1)) times as fast. The first factor is the mean tokens of a
target step; here it is measured, since agreement comes in runs, and the 1 is the measured cost of verifying.
"""

from __future__ import annotations

from dataclasses import dataclass

from hola_plugins.lobi.draft.acceptance import Acceptance
from hola_plugins.lobi.draft.cost import MANY, Cost

_LIKELY = 1.1
"""Expected speed-up from which a draft is called likely to pay; what an engine does beside is not in it."""


@dataclass(frozen=True, slots=True)
class Payoff:
    """Expected speed-up by draft length.

    Attributes:
        draft_cost: c, seconds of a draft step by those of a target step.
        verify_cost: Seconds of a target step of eight tokens by those of one.
        speedups: Times as fast as without drafts, by draft length K.
        best_length: The K of the largest.
    """

    draft_cost: float
    verify_cost: float
    speedups: dict[int, float]
    best_length: int

    @property
    def best(self) -> float:
        """The largest expected speed-up."""
        return self.speedups[self.best_length]


def expect_payoff(acceptance: Acceptance, draft: Cost, target: Cost) -> Payoff:
    """Expects the speed-up of every draft length.

    Args:
        acceptance: Measured acceptance of the draft.
        draft: Its cost.
        target: The target's cost; passes of other lengths than were timed lie on a line through the two.
    """
    draft_cost, verify_cost = draft.one / target.one, target.many / target.one
    a_token = max(0.0, verify_cost - 1) / (MANY - 1)
    speedups = {
        length: tokens / (length * draft_cost + 1 + a_token * length)
        for length, tokens in acceptance.lengths.items()
    }
    return Payoff(draft_cost, verify_cost, speedups, max(speedups, key=lambda length: speedups[length]))


def verdict(payoff: Payoff) -> str:
    """Says in a sentence what to expect."""
    times = f"{payoff.best:.2f} times as fast as without drafts at K = {payoff.best_length}"
    cost = f"a draft step costs {payoff.draft_cost:.0%} of a target step here"
    if payoff.best >= _LIKELY:
        return f"Likely to pay: {times} is expected ({cost})."
    if payoff.best > 1:
        return (
            f"May not pay: {times} is expected ({cost}), and an engine's own work for drafts is not in that."
        )
    return (
        f"Not likely to pay: at best {times} is expected ({cost}); ask for a smaller draft or train longer."
    )
