"""A circuit breaker: no drafts for a while when drafting measurably costs more than it brings."""

from __future__ import annotations

from typing import Literal

BreakerState = Literal["closed", "open", "probing"]

_SHORTEST_PAUSE = 32
_LONGEST_PAUSE = 2048
_PROBE_STEPS = 24
_EVIDENCE = 48.0


class CircuitBreaker:
    """Compares measured goodput with the no-draft baseline.

    After a trip it stays open for 32 calls, then probes; each failed probe doubles the pause up to 2048
    calls, a good one resets it.

    Args:
        ratio: Goodput over baseline under which it opens.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._pause = _SHORTEST_PAUSE
        self._remaining = 0
        self._gained = 0.0
        self._spent = 0.0
        self._steps = 0.0
        self.state: BreakerState = "closed"
        self.trips = 0

    def observe(self, baseline_seconds: float, seconds: float) -> None:
        """Takes in one step with drafts.

        Args:
            baseline_seconds: What the emitted tokens would have taken without drafts.
            seconds: What they took.
        """
        self._gained = 0.98 * self._gained + baseline_seconds
        self._spent = 0.98 * self._spent + seconds
        self._steps += 1.0
        needed = _PROBE_STEPS if self.state == "probing" else _EVIDENCE
        if self._steps < needed or self._spent <= 0.0:
            return
        if self._gained / self._spent < self._ratio:
            self._trip()
        elif self.state == "probing":
            self.state = "closed"
            self._pause = _SHORTEST_PAUSE

    def allows(self) -> bool:
        """Tells whether this call may draft; counts the pause down."""
        if self.state != "open":
            return True
        self._remaining -= 1
        if self._remaining <= 0:
            self.state = "probing"
            self._reset()
        return self.state == "probing"

    def _trip(self) -> None:
        self.trips += 1
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if self.state == "probing" else self._pause
        self.state = "open"
        self._remaining = self._pause
        self._reset()

    def _reset(self) -> None:
        self._gained = self._spent = self._steps = 0.0
