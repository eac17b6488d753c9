"""One estimated change between two stages: its value, its interval, and the chance of it without any change."""

from __future__ import annotations

from dataclasses import dataclass

LEVEL = 0.95
"""Confidence of every interval."""

LEAST_UNITS = 6
"""Fewer prompts, queries or questions than this decide nothing: signs that all agree are then found by chance once in
16 or oftener."""

LEAST_TURNS = 3
"""Fewer turns than this decide nothing: where the turns of a stage differ by 5 %, two leave -35 to +50 % open."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A change as it was measured.

    Attributes:
        value: The ratio, or the difference.
        low: Lower end of the interval; None where the data give none.
        high: Upper end.
        p: Probability of a change at least as large, either way, if there were none; None where it is unknown.
        units: How many independent pairs it rests on: turns, prompts, queries or questions.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    units: int
