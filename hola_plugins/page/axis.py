"""Axes of a chart: round ticks around the data, linear or logarithmic, and where a number lies."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_DECADES = 6
"""Decades under the largest number that a logarithmic axis shows; lower numbers lie on its edge."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of numbers along a range of a drawing.

    Attributes:
        ticks: Numbers to mark, rising; the first and the last are the ends.
        start: Where the first lies.
        end: Where the last lies.
        logarithmic: Whether equal ratios are equal distances.
    """

    ticks: tuple[float, ...]
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Gives where a number lies; what lies outside, or is no number, is put on the edge."""
        first, last = self.ticks[0], self.ticks[-1]
        value = last if math.isnan(value) else value
        value = min(max(value, first), last)
        if self.logarithmic:
            first, last, value = math.log10(first), math.log10(last), math.log10(value)
        return self.start + (value - first) / (last - first) * (self.end - self.start)


def linear_axis(values: Iterable[float], start: float, end: float) -> Axis:
    """Makes an axis in steps of 1, 2 or 5 times a power of ten, some six of them."""
    known = list(values)
    low, high = min(known), max(known)
    if high == low:
        low, high = low - abs(low) / 20 - 1e-9, high + abs(high) / 20 + 1e-9
    rough = (high - low) / 6
    power = math.floor(math.log10(rough))
    step, digits = next(
        (float(f"{part}e{power}"), max(0, -power)) for part in (1, 2, 5, 10) if part * 10.0**power >= rough
    )
    numbers = range(math.floor(low / step), math.ceil(high / step) + 1)
    return Axis(tuple(round(number * step, digits) for number in numbers), start, end)


def log_axis(values: Iterable[float], start: float, end: float) -> Axis:
    """Makes an axis in powers of ten, and 2 and 5 times them where they are few; for the positive values."""
    positive = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
    high = max(positive)
    low = max(min(positive), high / 10**_DECADES)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    parts = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [float(f"{part}e{power}") for power in range(first, last) for part in parts]
    return Axis((*ticks, float(f"1e{last}")), start, end, logarithmic=True)
