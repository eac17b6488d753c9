"""Numbers as a reader wants them: sizes, shares, times, and what is no number said so."""

from __future__ import annotations

import math

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))


def byte_unit(largest: float) -> tuple[str, float]:
    """Gives the unit for sizes up to ``largest`` bytes, and its bytes (1 MB is 10^6)."""
    return next((unit for unit in _UNITS if largest >= unit[1]), _UNITS[-1])


def in_bytes(size: float) -> str:
    """Gives a size: ``1.21 MB``."""
    name, unit = byte_unit(size)
    return f"{size:g} B" if unit == 1 else f"{size / unit:.2f} {name}"


def from_to(before: float, after: float) -> str:
    """Gives two sizes: ``5.78 → 2.57 MB``."""
    first, last = in_bytes(before), in_bytes(after)
    if first.rpartition(" ")[2] == last.rpartition(" ")[2]:
        first = first.rpartition(" ")[0]
    return f"{first} → {last}"


def number(value: float | None, digits: int = 3) -> str:
    """Gives a number to some significant digits; a dash where there is none."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "not a finite number"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def share(part: float, whole: float) -> str:
    """Gives a share: ``41.9 %``."""
    return f"{100 * part / whole:.1f} %"


def change(before: float, after: float) -> str:
    """Gives a change: ``+1.1 %``."""
    found = 100 * (after / before - 1)
    return f"{found:+.1f} %" if math.isfinite(found) else "not a finite change"


def duration(seconds: float) -> str:
    """Gives a time: ``0.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def seconds(value: float) -> str:
    """Gives a short time: ``412 ms``, ``1.83 s``, ``95.2 s``."""
    if value < 0.9995:
        return f"{1000 * value:.3g} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"


def words(name: str) -> str:
    """Gives an identifier as words: ``attention_in`` is attention in."""
    return name.replace("_", " ")
