"""Whether a neural level shall read a request's context: what it saves there against what reading costs.

Before it can judge a draft it has to run what came before, hundreds of tokens for a pass that then runs a few. How
long a request goes on is not known, so a context is read once the level would have saved as much time in that request
as reading takes, which costs at most twice what knowing the future would (the ski-rental rule); or at once, where it
saved as much in the requests before. Where no clock runs, every context is read.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hola_plugins.hsd.asking import ForwardCost
from hola_plugins.hsd.level import Float64, Int32

_LATEST = 0.1


class ReadingAccount:
    """Seconds that a neural level saves, or would save if it had read the context, and spends on reading, by request.

    Args:
        slots: Requests that are tracked at once.
        learns: Whether what was saved in some requests counts for others.
    """

    def __init__(self, slots: int, *, learns: bool = True) -> None:
        self._learns = learns
        self._saved: Float64 = np.zeros(slots)
        self._spent: Float64 = np.zeros(slots)
        self._usual = 0.0
        self._cost = ForwardCost()

    def credit(self, slots: Int32, seconds: Float64) -> None:
        """Takes in what the level saves in a call, or would save, by request."""
        self._saved[slots] += seconds

    def pays(self, slots: Int32, tokens: Int32) -> npt.NDArray[np.bool_]:
        """Tells for which requests it pays to read so many tokens, bool[rows]."""
        cost = np.array([self._cost.seconds(count) for count in tokens.tolist()])
        paid: npt.NDArray[np.bool_] = np.maximum(self._saved[slots], self._usual) - self._spent[slots] >= cost
        return paid

    def spend(self, slots: Int32, tokens: int, seconds: float) -> None:
        """Takes in the time of a pass that read so many tokens, padding included, for these requests."""
        self._cost.observe(tokens, seconds)
        self._spent[slots] += self._cost.seconds(tokens) / len(slots)

    def close(self, slot: int) -> None:
        """Forgets a request; what the level saved in it is what it is expected to save in others."""
        if self._learns and self._saved[slot] > 0.0:
            self._usual += _LATEST * (float(self._saved[slot]) - self._usual)
        self._saved[slot] = self._spent[slot] = 0.0

    def close_others(self, slots: Int32) -> None:
        """Forgets the requests that are not among these."""
        others = self._saved > 0.0
        others[slots[slots >= 0]] = False
        for slot in np.flatnonzero(others):
            self.close(int(slot))
