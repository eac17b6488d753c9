"""A safetensors file of given tensors: its bytes before it is written.

The layout is that of safetensors: 8 bytes of length, a JSON header padded to 8 bytes, the tensors sorted by dtype
and name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

CODES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int8: "I8",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What safetensors calls a dtype."""

_WIDTH = {
    "I64": 8,
    "F64": 8,
    "F32": 4,
    "I32": 4,
    "BF16": 2,
    "F16": 2,
    "F8_E4M3": 1,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
_ORDER = [*_WIDTH]
"""Dtypes in the order in which safetensors writes them."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a file.

    Attributes:
        name: Its key.
        dtype: Its dtype, as safetensors calls it.
        shape: Its shape.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of its data."""
        return math.prod(self.shape) * _WIDTH[self.dtype]

    def entry(self, begin: int, end: int) -> dict[str, Any]:
        """Gives its entry in the header, with the offsets of its data."""
        return {"dtype": self.dtype, "shape": list(self.shape), "data_offsets": [begin, end]}


def file_bytes(tensors: Iterable[StoredTensor]) -> int:
    """Gives the exact size of a file of these tensors, as transformers writes it."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in sorted(tensors, key=lambda one: (_ORDER.index(one.dtype), one.name)):
        header[tensor.name] = tensor.entry(offset, offset + tensor.size)
        offset += tensor.size
    return 8 + math.ceil(_json_bytes(header) / 8) * 8 + offset


def bytes_at_most(tensor: StoredTensor, largest_offset: int) -> int:
    """Bounds what a tensor takes in a file, data and header entry, from above.

    Args:
        tensor: The tensor.
        largest_offset: No offset in the header exceeds it; its digits are counted for each offset.
    """
    offset = int("9" * len(str(largest_offset)))
    return tensor.size + _json_bytes({tensor.name: tensor.entry(offset, offset)}) - 1


def _json_bytes(header: dict[str, Any]) -> int:
    """Gives the length of a header."""
    return len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
