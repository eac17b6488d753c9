"""What a benchmark needs beyond the tests: asked for before hours of measuring, not after them."""

from __future__ import annotations

from importlib.util import find_spec


def require(*modules: str) -> None:
    """Ends the script where a module is missing.

    Raises:
        SystemExit: If one is.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise SystemExit(f"this benchmark needs {', '.join(missing)}: pip install --group benchmark")
