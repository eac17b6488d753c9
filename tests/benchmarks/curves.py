"""Curves need matplotlib: asked for before hours of measuring, not after them."""

from __future__ import annotations

from importlib.util import find_spec


def require_matplotlib() -> None:
    """Ends the script where matplotlib is missing.

    Raises:
        SystemExit: If it is.
    """
    if find_spec("matplotlib") is None:
        raise SystemExit("the curves need matplotlib: pip install --group benchmark")
