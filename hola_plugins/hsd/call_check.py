"""The first check of a call: arrays that disagree would make the kernels, which check nothing, read elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from hola_plugins.hsd.level import Int32

_INT32 = np.dtype(np.int32)


class MalformedCallError(ValueError):
    """A call whose arrays are no batch; nothing of it was taken in."""


def count_emitted(sampled: Sequence[Sequence[int]], lengths: Int32, buffer: Int32, max_rows: int) -> Int32:
    """Counts what each row emitted, int32[rows], and refuses a call that is no batch; the ids may be any int32.

    Args:
        sampled: Tokens that each row emitted.
        lengths: Tokens of each row, int32[>= rows].
        buffer: Token ids of each row, int32[>= rows, max length].
        max_rows: Largest batch.

    Raises:
        MalformedCallError: Arrays of another type or shape, more rows than there may be, or a row that is shorter
            than what it emitted or longer than the buffer.
    """
    _check_array("lengths", lengths, 1)
    _check_array("buffer", buffer, 2)
    rows = len(sampled)
    if rows > max_rows or rows > len(lengths) or rows > len(buffer):
        raise MalformedCallError(
            f"rows must be at most {max_rows}, with a length and a part of the buffer each; got {rows} rows, "
            f"{len(lengths)} lengths and {len(buffer)} parts"
        )
    emitted = np.fromiter(map(len, sampled), np.int32, rows)
    if not _hold(emitted, lengths, buffer.shape[1]):
        raise MalformedCallError(
            f"a row must have from as many tokens as it emitted to {buffer.shape[1]}, got {lengths[:rows].tolist()[:8]}"
        )
    return emitted


def _check_array(name: str, array: Any, dimensions: int) -> None:
    """Refuses what is no int32 array of so many dimensions."""
    if not isinstance(array, np.ndarray) or array.dtype != _INT32 or array.ndim != dimensions:
        raise MalformedCallError(
            f"{name} must be int32 with {dimensions} dimensions, got {type(array).__name__} "
            f"{getattr(array, 'dtype', '')}{list(getattr(array, 'shape', ()))}"
        )


@njit(cache=True, nogil=True)
def _hold(emitted, lengths, longest) -> bool:
    """Tells whether each row has as many tokens as it emitted, or more, and fits into the buffer."""
    held = 0
    for row in range(emitted.shape[0]):
        held += emitted[row] <= lengths[row] <= longest
    return held == emitted.shape[0]
