"""Arrays that others wrote, in numpy's format: one array of plain values, no archive and no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import DTypeLike, NDArray

_read: Any = npy_format.read_array


class ArrayFileError(ValueError):
    """A file that holds no such array; the message says why."""


def read_array(file: BinaryIO, path: Path | str) -> NDArray[Any]:
    """Reads one array.

    Args:
        file: The open file.
        path: What an error calls it.

    Raises:
        ArrayFileError: Anything else in it, or a header that claims more than is there.
    """
    try:
        found: NDArray[Any] = _read(file, allow_pickle=False)
    except Exception as error:  # numpy ends a forged header with whatever its parser fell over
        raise ArrayFileError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    return found


def of_type(name: str, arrays: Mapping[str, NDArray[Any]], dtype: DTypeLike) -> NDArray[Any]:
    """Gives one of some arrays, contiguous, if it has a type; no value is rounded or wrapped to make it so.

    Raises:
        ValueError: Another type; names the array.
    """
    array = arrays[name]
    if array.dtype != np.dtype(dtype):
        raise ValueError(
            f"{name} must be {np.dtype(dtype)}, got {array.dtype}: restore the file or save again"
        )
    return np.ascontiguousarray(array)
