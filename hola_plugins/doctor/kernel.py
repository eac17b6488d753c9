"""A kernel as small as can be, which shows that numba compiles and where it caches."""

from __future__ import annotations

from numba import njit


@njit(cache=True)
def add_one(number: int) -> int:
    """Adds one."""
    return number + 1


def compile_kernel() -> str:
    """Compiles and runs the kernel.

    Returns:
        The folder in which numba caches compiled kernels of this package.

    Raises:
        RuntimeError: If the compiled kernel computes something else.
    """
    result = add_one(1)
    if result != 2:
        message = f"add_one(1) must be 2, got {result!r}: reinstall numba and llvmlite"
        raise RuntimeError(message)
    return str(add_one.stats.cache_path)
