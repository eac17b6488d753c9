"""Bytes of a checkpoint before it is written: tensors of every scheme, and the safetensors header.

The layout is that of safetensors (8 bytes of length, a JSON header padded to 8 bytes, the tensors sorted by
dtype and name) and of compressed-tensors 0.19 (packed 32-bit words, scales in the layer's dtype).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import torch
from torch import nn

from hola_plugins.lobi.checkpoint_parts import largest_part, saved_name, split_into_parts
from hola_plugins.lobi.linear import weight_shape
from hola_plugins.lobi.saved_tensors import saved_tensors
from hola_plugins.lobi.scheme import Scheme

_CODES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_WIDTH = {"F32": 4, "BF16": 2, "F16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1}
_ORDER = ["I64", "F32", "I32", "BF16", "F16", "F8_E4M3", "I8", "U8", "BOOL"]
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


def weight_tensors(name: str, rows: int, columns: int, scheme: Scheme, dtype: str) -> list[StoredTensor]:
    """Lists what replaces a layer's weight.

    Args:
        name: The layer's name.
        rows: Output channels.
        columns: Input channels.
        scheme: How the weight is stored.
        dtype: Dtype of the layer, which scales keep.
    """
    if scheme.kind == "none":
        return [StoredTensor(f"{name}.weight", dtype, (rows, columns))]
    groups = 1 if scheme.group_size is None else columns // scheme.group_size
    scale = StoredTensor(f"{name}.weight_scale", dtype, (rows, groups))
    if scheme.packed:
        words = math.ceil(columns * scheme.bits / 32)
        packed = StoredTensor(f"{name}.weight_packed", "I32", (rows, words))
        return [scale, packed, StoredTensor(f"{name}.weight_shape", "I64", (2,))]
    return [
        scale,
        StoredTensor(f"{name}.weight", "I8" if scheme.kind == "int" else "F8_E4M3", (rows, columns)),
    ]


def model_tensors(model: nn.Module, schemes: Mapping[str, Scheme]) -> list[StoredTensor]:
    """Lists every tensor of a model's state dict when it is saved; tied ones count once.

    Args:
        model: The model.
        schemes: Scheme by name of the layers that are quantised.
    """
    tensors: list[StoredTensor] = []
    for name, own in groupby(saved_tensors(model), key=lambda one: one[0].rpartition(".")[0]):
        replaced: list[StoredTensor] = []
        for key, tensor in own:
            code = _CODES[tensor.dtype]
            if key == f"{name}.weight" and name in schemes and schemes[name].kind != "none":
                rows, columns = weight_shape(model.get_submodule(name))
                replaced = weight_tensors(name, rows, columns, schemes[name], code)
            else:
                tensors.append(StoredTensor(key, code, tuple(tensor.shape)))
        tensors += replaced
    return tensors


def file_bytes(tensors: Iterable[StoredTensor]) -> int:
    """Gives the exact size of a safetensors file of these tensors, as transformers writes it."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in sorted(tensors, key=lambda one: (_ORDER.index(one.dtype), one.name)):
        end = offset + tensor.size
        header[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    length = len(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
    return 8 + math.ceil(length / 8) * 8 + offset


def checkpoint_bytes(model: nn.Module, schemes: Mapping[str, Scheme], part: int | None = None) -> int:
    """Gives the exact size of model.safetensors with these schemes; of all its parts where there are several.

    Args:
        model: The model.
        schemes: Scheme by name of the layers that are quantised.
        part: Largest data of a part, in bytes; None takes what the model is saved with.
    """
    parts = split_into_parts(model_tensors(model, schemes), largest_part(model) if part is None else part)
    name = saved_name(model)
    return sum(file_bytes(replace(one, name=name(one.name)) for one in tensors) for tensors in parts)


def weight_bytes(model: nn.Module, names: Sequence[str], scheme: Scheme) -> int:
    """Gives the bytes of layers' weights and scales, without header entries."""
    return sum(tensor.size for tensor in _weights(model, names, scheme))


def layer_bytes(model: nn.Module, names: Sequence[str], scheme: Scheme, largest_offset: int) -> int:
    """Bounds what layers take in a file, data and header entries, from above.

    Args:
        model: The model.
        names: The layers.
        scheme: Their scheme.
        largest_offset: No offset in the header exceeds it; its digits are counted for each offset.
    """
    offset = int("9" * len(str(largest_offset)))
    total = 0
    for tensor in _weights(model, names, scheme):
        entry = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset]}
        text = json.dumps({tensor.name: entry}, separators=(",", ":"), ensure_ascii=False)
        total += tensor.size + len(text.encode()) - 1
    return total


def _weights(model: nn.Module, names: Sequence[str], scheme: Scheme) -> Iterator[StoredTensor]:
    """Yields the tensors that replace the weights of layers."""
    for name in names:
        module = model.get_submodule(name)
        rows, columns = weight_shape(module)
        yield from weight_tensors(name, rows, columns, scheme, _CODES[module.get_parameter("weight").dtype])
