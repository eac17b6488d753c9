"""Bytes of a checkpoint before it is written, under any schemes: the model is read once.

Quantised layers are stored as compressed-tensors 0.19 does: packed 32-bit words, scales in the layer's dtype.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Any

from hola_plugins.lobi.checkpoint_parts import largest_part, saved_name, split_into_parts
from hola_plugins.lobi.linear import is_transposed
from hola_plugins.lobi.safetensors_file import CODES, StoredTensor, bytes_at_most, file_bytes
from hola_plugins.lobi.saved_tensors import saved_tensors
from hola_plugins.lobi.scheme import SCHEMES, UNQUANTISED, Scheme


def checkpoint_bytes(model: Any, schemes: Mapping[str, Scheme]) -> int:
    """Gives the exact size of model.safetensors with these schemes; of all its parts where there are several.

    Args:
        model: The model; layers that llmcompressor has prepared or quantised, but not packed yet, count the same.
        schemes: Scheme by name of the layers that are quantised.
    """
    return Layout(model).size(schemes)


class Layout:
    """What the checkpoint of a model holds: its tensors and how they are split into files, without the weights.

    Args:
        model: The model; tied tensors count once.
    """

    def __init__(self, model: Any) -> None:
        self._tensors = [
            StoredTensor(name, CODES[one.dtype], tuple(one.shape)) for name, one in saved_tensors(model)
        ]
        self._weights = {
            one.name.removesuffix(".weight"): one for one in self._tensors if one.name.endswith(".weight")
        }
        self._transposed = {name for name, module in model.named_modules() if is_transposed(module)}
        self._largest = largest_part(model)
        self._saved_name = saved_name(model)

    def shape(self, layer: str) -> tuple[int, int]:
        """Gives the shape of a linear layer's weight, output by input."""
        first, second = self._weights[layer].shape
        return (second, first) if layer in self._transposed else (first, second)

    def weights(self, layers: Iterable[str]) -> int:
        """Counts the weights of linear layers."""
        return sum(math.prod(self.shape(layer)) for layer in layers)

    def size(self, schemes: Mapping[str, Scheme]) -> int:
        """Gives the exact size of all files with these schemes, by name of the layers that are quantised."""
        parts = split_into_parts(self._stored(schemes), self._largest)
        return sum(
            file_bytes(replace(one, name=self._saved_name(one.name)) for one in part) for part in parts
        )

    def weight_bytes(self, layers: Iterable[str], scheme: Scheme) -> int:
        """Gives the bytes of layers' weights and scales in a scheme, without header entries."""
        return sum(one.size for layer in layers for one in self._weight_tensors(layer, scheme))

    def bytes_at_most(self, layers: Iterable[str], scheme: Scheme, largest_offset: int) -> int:
        """Bounds what layers take in a file, data and header entries, from above.

        Args:
            layers: The layers.
            scheme: Their scheme.
            largest_offset: No offset in the header exceeds it.
        """
        tensors = (one for layer in layers for one in self._weight_tensors(layer, scheme))
        return sum(bytes_at_most(one, largest_offset) for one in tensors)

    def _stored(self, schemes: Mapping[str, Scheme]) -> Iterator[StoredTensor]:
        """Yields all tensors in their order; a quantised layer is its bias, and then what replaces its weight."""
        for layer, own in groupby(self._tensors, key=lambda one: one.name.rpartition(".")[0]):
            scheme = schemes.get(layer, SCHEMES[UNQUANTISED])
            quantised = scheme.kind != "none"
            yield from (one for one in own if not quantised or one.name == f"{layer}.bias")
            if quantised:
                yield from self._weight_tensors(layer, scheme)

    def _weight_tensors(self, layer: str, scheme: Scheme) -> list[StoredTensor]:
        """Lists what replaces a layer's weight."""
        dtype, (rows, columns) = self._weights[layer].dtype, self.shape(layer)
        if scheme.kind == "none":
            return [StoredTensor(f"{layer}.weight", dtype, (rows, columns))]
        groups = 1 if scheme.group_size is None else columns // scheme.group_size
        scale = StoredTensor(f"{layer}.weight_scale", dtype, (rows, groups))
        if scheme.packed:
            words = math.ceil(columns * scheme.bits / 32)
            packed = StoredTensor(f"{layer}.weight_packed", "I32", (rows, words))
            return [scale, packed, StoredTensor(f"{layer}.weight_shape", "I64", (2,))]
        levels = "I8" if scheme.kind == "int" else "F8_E4M3"
        return [scale, StoredTensor(f"{layer}.weight", levels, (rows, columns))]
