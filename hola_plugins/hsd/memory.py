"""Arrays by address: a table of many arrays, so that a kernel takes one argument in their place.

Every array that a kernel receives has to be unboxed, and a call into a level takes a dozen. A table row holds an array's address and shape; inside the kernel the array is viewed again, free of
charge and of reference counts. Whoever makes a table keeps its arrays alive and in place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, njit, types
from numba.extending import intrinsic

_DIMENSIONS = 3


def address_table(*arrays: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Gives the addresses and shapes of C-contiguous arrays, int64[arrays, 4].

    Raises:
        ValueError: If an array is not C-contiguous or has more than three dimensions.
    """
    table = np.ones((len(arrays), 1 + _DIMENSIONS), dtype=np.int64)
    for row, array in zip(table, arrays, strict=True):
        if not array.flags.c_contiguous or not 1 <= array.ndim <= _DIMENSIONS:
            raise ValueError(
                f"arrays must be C-contiguous with 1 to {_DIMENSIONS} dimensions, got shape {array.shape} "
                f"and strides {array.strides}: allocate it with numpy.zeros"
            )
        row[0] = array.ctypes.data
        row[1 : 1 + array.ndim] = array.shape
    return table


def _pointer_to(element: Any) -> Any:
    """Makes a function for kernels that reinterprets an int64 address as a pointer."""

    @intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), codegen

    return pointer


int32_pointer = _pointer_to(types.int32)
_int64_pointer = _pointer_to(types.int64)
_float32_pointer = _pointer_to(types.float32)
_float64_pointer = _pointer_to(types.float64)


@njit(cache=True, inline="always")
def int32_1d(table, which):
    """Views row ``which`` of a table as int32[n]."""
    return carray(int32_pointer(table[which, 0]), (table[which, 1],))


@njit(cache=True, inline="always")
def int32_2d(table, which):
    """Views row ``which`` of a table as int32[n, m]."""
    return carray(int32_pointer(table[which, 0]), (table[which, 1], table[which, 2]))


@njit(cache=True, inline="always")
def int32_3d(table, which):
    """Views row ``which`` of a table as int32[n, m, k]."""
    return carray(int32_pointer(table[which, 0]), (table[which, 1], table[which, 2], table[which, 3]))


@njit(cache=True, inline="always")
def int64_1d(table, which):
    """Views row ``which`` of a table as int64[n]."""
    return carray(_int64_pointer(table[which, 0]), (table[which, 1],))


@njit(cache=True, inline="always")
def int64_2d(table, which):
    """Views row ``which`` of a table as int64[n, m]."""
    return carray(_int64_pointer(table[which, 0]), (table[which, 1], table[which, 2]))


@njit(cache=True, inline="always")
def int64_3d(table, which):
    """Views row ``which`` of a table as int64[n, m, k]."""
    return carray(_int64_pointer(table[which, 0]), (table[which, 1], table[which, 2], table[which, 3]))


@njit(cache=True, inline="always")
def float32_1d(table, which):
    """Views row ``which`` of a table as float32[n]."""
    return carray(_float32_pointer(table[which, 0]), (table[which, 1],))


@njit(cache=True, inline="always")
def float32_2d(table, which):
    """Views row ``which`` of a table as float32[n, m]."""
    return carray(_float32_pointer(table[which, 0]), (table[which, 1], table[which, 2]))


@njit(cache=True, inline="always")
def float64_2d(table, which):
    """Views row ``which`` of a table as float64[n, m]."""
    return carray(_float64_pointer(table[which, 0]), (table[which, 1], table[which, 2]))
