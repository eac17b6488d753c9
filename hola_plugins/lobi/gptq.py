"""Weights as GPTQ would leave them, from one pass over the text (Frantar et al., arXiv 2210.17323).

The scores and the guard round with these, because plain rounding overstates the harm of few bits by
different amounts in different layers. The checkpoint itself is quantised by llmcompressor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hola_plugins.lobi.calibration import Batch
from hola_plugins.lobi.precision import computed_in_float32
from hola_plugins.lobi.progress import track
from hola_plugins.lobi.quantise import NearestRounding, stored_scale, to_grid
from hola_plugins.lobi.scheme import Scheme

_DAMPING = 0.01
_BLOCK = 128


@dataclass(frozen=True, slots=True)
class _Rounded:
    """A rounded weight, a byte each.

    Attributes:
        levels: Integers, int8[output, groups, width].
        scales: Their scales, float32[output, groups, 1].
    """

    levels: torch.Tensor
    scales: torch.Tensor

    def weight(self) -> torch.Tensor:
        """Gives the weight, float32[output, input]."""
        return (self.levels.float() * self.scales).flatten(1)


class GptqRounding:
    """Rounds weights by GPTQ; call it like `NearestRounding`.

    Args:
        model: The model.
        batches: Text that the inputs of layers are seen on.
        names: The layers.
        schemes: The schemes that will be asked for; coarse ones are rounded in one sweep over a layer.
    """

    def __init__(
        self, model: Any, batches: Sequence[Batch], names: Sequence[str], schemes: Sequence[Scheme]
    ) -> None:
        self._scales_in = model.dtype
        self._nearest = NearestRounding(model.dtype)
        self._schemes = [scheme for scheme in schemes if scheme.coarse]
        self._hessians = _input_products(model, batches, names)
        self._rounded: dict[tuple[str, str], _Rounded] = {}

    def __call__(self, name: str, weight: torch.Tensor, scheme: Scheme) -> torch.Tensor:
        """Gives the rounded weight, float32[output, input]; computed once."""
        if not scheme.coarse:
            return self._nearest(name, weight, scheme)
        if (name, scheme.name) not in self._rounded:
            columns = weight.shape[1]
            fitting = [one for one in self._schemes if columns % (one.group_size or columns) == 0]
            order, factor = self._ordered_factor(name)
            rounded = _gptq(weight, order, factor, fitting, self._scales_in)
            self._rounded |= {(name, one.name): part for one, part in zip(fitting, rounded, strict=True)}
        return self._rounded[name, scheme.name].weight()

    def _ordered_factor(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Gives the order in which columns are rounded, the most active first, int64[input].

        With it comes the upper Cholesky factor of the inverse Hessian in that order, [input, input].
        """
        hessian = self._hessians.pop(name)
        order = hessian.diagonal().argsort(descending=True)
        hessian = hessian[order][:, order]
        diagonal = hessian.diagonal()
        diagonal[diagonal == 0] = 1.0
        diagonal += _DAMPING * diagonal.mean()
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian))
        return order, torch.linalg.cholesky(inverse, upper=True)


@computed_in_float32
def _input_products(model: Any, batches: Sequence[Batch], names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Sums x xᵀ over the inputs of each layer, float32[input, input]."""
    products: dict[str, torch.Tensor] = {}

    def note(name: str, values: torch.Tensor) -> None:
        flat = values.detach().reshape(-1, values.shape[-1]).float()
        products[name] = products.get(name, 0) + flat.T @ flat

    hooks = [
        model.get_submodule(name).register_forward_pre_hook(lambda _, args, name=name: note(name, args[0]))
        for name in names
    ]
    try:
        with torch.no_grad():
            for batch in track(batches, "inputs of layers", len(batches)):
                batch.logits(model)
    finally:
        for hook in hooks:
            hook.remove()
    return products


def _gptq(
    weight: torch.Tensor,
    order: torch.Tensor,
    factor: torch.Tensor,
    schemes: Sequence[Scheme],
    scales_in: torch.dtype,
) -> list[_Rounded]:
    """Rounds column by column and spreads each error over the columns to come, block by block.

    Rows do not depend on each other, so the schemes, all of one kind and number of bits, lie side by side; the columns
    are the rows of what is worked on, for the sake of the cache.
    """
    rows, columns = weight.shape
    kind, bits = schemes[0].kind, schemes[0].bits
    left = weight.float().T[order].repeat(1, len(schemes))
    by_group = [_group_scales(weight.float(), scheme, scales_in) for scheme in schemes]
    scales = torch.cat([one.expand(-1, -1, columns // one.shape[1]).flatten(1) for one in by_group]).T[order]
    rounded = torch.empty_like(left)
    for start in range(0, columns, _BLOCK):
        end = min(start + _BLOCK, columns)
        errors = torch.empty_like(left[start:end])
        for column in range(start, end):
            rounded[column] = to_grid(left[column], scales[column], kind, bits)
            error = (left[column] - rounded[column]) / factor[column, column]
            left[column + 1 : end].addr_(factor[column, column + 1 : end], error, alpha=-1)
            errors[column - start] = error
        left[end:].addmm_(factor[start:end, end:].T, errors, alpha=-1)
    levels = (rounded / scales).round().to(torch.int8)[order.argsort()].T.split(rows)
    return [
        _Rounded(part.reshape(rows, one.shape[1], -1), one)
        for part, one in zip(levels, by_group, strict=True)
    ]


def _group_scales(weight: torch.Tensor, scheme: Scheme, scales_in: torch.dtype) -> torch.Tensor:
    """Gives the scale of every group of weights, float32[output, groups, 1]."""
    grouped = weight.reshape(len(weight), -1, scheme.group_size or weight.shape[1])
    return stored_scale(grouped, scheme, scales_in)
