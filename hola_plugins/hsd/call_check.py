"""The first check of a call: arrays that disagree would make the kernels, which check nothing, read elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hola_plugins.hsd.level import Int32


class MalformedCallError(ValueError):
    """A call whose arrays are no batch; nothing of it was taken in."""


def check_call(sampled: Sequence[Sequence[int]], lengths: Int32, buffer: Int32, max_rows: int) -> None:
    """Refuses a call that is no batch; the ids themselves may be any int32.

    Args:
        sampled: Tokens that each row emitted.
        lengths: Tokens of each row, int32[>= rows].
        buffer: Token ids of each row, int32[>= rows, max length].
        max_rows: Largest batch.

    Raises:
        MalformedCallError: Arrays of another type or shape, more rows than there may be, or a row that is shorter
            than what it emitted or longer than the buffer.
    """
    rows = len(sampled)
    arrays: tuple[tuple[str, Any, int], ...] = (("lengths", lengths, 1), ("buffer", buffer, 2))
    for name, array, dimensions in arrays:
        if not isinstance(array, np.ndarray) or array.dtype != np.int32 or array.ndim != dimensions:
            raise MalformedCallError(
                f"{name} must be int32 with {dimensions} dimensions, got {type(array).__name__} "
                f"{getattr(array, 'dtype', '')}{list(getattr(array, 'shape', ()))}"
            )
    if rows > min(max_rows, len(lengths), len(buffer)):
        raise MalformedCallError(
            f"rows must be at most {max_rows}, with a length and a part of the buffer each; got {rows} rows, "
            f"{len(lengths)} lengths and {len(buffer)} parts"
        )
    emitted = np.fromiter(map(len, sampled), np.int64, rows)
    if rows and ((lengths[:rows] < emitted) | (lengths[:rows] > buffer.shape[1])).any():
        raise MalformedCallError(
            f"a row must have from as many tokens as it emitted to {buffer.shape[1]}, got {lengths[:rows].tolist()[:8]}"
        )
