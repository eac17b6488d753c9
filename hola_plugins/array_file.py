"""Arrays that others wrote, in numpy's format: one array of plain values, no archive and no pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from numpy.lib import format as npy_format
from numpy.typing import NDArray

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
