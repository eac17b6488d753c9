"""A budget in words: a share of the model (45%), a size (1.2GB), or effective bits (4.5bit)."""

from __future__ import annotations

import re
from decimal import Decimal

from hola_plugins.lobi.config import LoBiError

_FORM = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(%|[a-z]*)\s*", re.IGNORECASE)
_BYTES = {
    "bytes": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_BITS = ("b", "bit", "bits")
_LEAST_BYTES = 1000
"""A number without a unit under this is a forgotten unit, not a size."""

_HOW = "write a share (45%), a size (1.2GB, 900kB, 800000) or effective bits (4.5bit)"


def parse_budget(text: str) -> dict[str, int | float]:
    """Reads a budget.

    Args:
        text: ``45%``: of the model's size; ``1.2GB``, ``900kB`` (powers of 1,000), ``1GiB`` (powers of 1,024)
            or ``800000``: bytes of model.safetensors; ``4.5bit`` or ``4.5b``: mean stored bits a weight.

    Returns:
        One setting of `LoBiConfig` with its value.

    Raises:
        LoBiError: If it is none of these, or out of range.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise LoBiError(f"budget {text!r} is not understood: {_HOW}")
    number, unit = Decimal(found[1]), found[2].lower()
    if unit == "%":
        return {"target_ratio": _over_nothing(text, parse_share(text))}
    if unit in _BITS:
        return {"target_bits": _bits(text, number)}
    if unit in _BYTES:
        return {"target_bytes": int(_over_nothing(text, int(number * _BYTES[unit])))}
    if unit:
        raise LoBiError(f"budget {text!r} has the unknown unit {found[2]!r}: {_HOW}")
    if number < _LEAST_BYTES:
        raise LoBiError(f"budget {text!r} has no unit, and as bytes it holds no model: {_HOW}")
    return {"target_bytes": int(number)}


def parse_size(text: str) -> int:
    """Reads a size in bytes: ``8GB`` or ``8GiB``.

    Raises:
        LoBiError: If it is none.
    """
    found = _FORM.fullmatch(text)
    size = 0 if found is None else int(Decimal(found[1]) * _BYTES.get(found[2].lower(), 0))
    if not size:
        raise LoBiError(
            f"size {text!r} is not understood: write 8GB (powers of 1,000) or 8GiB (powers of 1,024)"
        )
    return size


def parse_share(text: str) -> float:
    """Reads a share from 0 to 1: ``25%`` or ``0.25``.

    Raises:
        LoBiError: If it is none.
    """
    number = text.strip()
    try:
        share = float(Decimal(number.removesuffix("%")) / 100 if number.endswith("%") else Decimal(number))
    except ArithmeticError:
        raise LoBiError(f"share {text!r} is no number: write 25% or 0.25") from None
    if not 0.0 <= share <= 1.0:
        raise LoBiError(f"share {text!r} must be from 0% to 100%")
    return share


def _bits(text: str, number: Decimal) -> float:
    """Checks effective bits."""
    if not 0 < number <= 32:
        raise LoBiError(f"budget {text!r} must be over 0 and at most 32 bits a weight; bytes: {number}bytes")
    return float(number)


def _over_nothing(text: str, value: float) -> float:
    """Checks that there is something of a budget."""
    if not value > 0:
        raise LoBiError(f"budget {text!r} is nothing: {_HOW}")
    return value
