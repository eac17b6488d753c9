"""What can be trained of a quantised model without a byte more: scales, and parameters of one dimension.

Weights keep their levels, so a layer stays on the grid of its scheme. Values are trained in float32 and used as they
come back from the checkpoint's dtype; gradients pass that rounding unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hola_plugins.lobi.quantise import to_grid
from hola_plugins.lobi.scheme import Scheme
from hola_plugins.lobi.stand_in import own_parameters, write_parameter


@dataclass(frozen=True, slots=True)
class QuantisedLayer:
    """A layer as its host has quantised it; its weight and scales are written to.

    Attributes:
        module: The layer; its ``weight_scale`` holds the scales of its weight, [output, groups].
        scheme: The scheme.
    """

    module: Any
    scheme: Scheme


class Scales:
    """The scales of a quantised layer."""

    def __init__(self, layer: QuantisedLayer) -> None:
        self._layer = layer
        scales, scheme = layer.module.weight_scale, layer.scheme
        self._dtype = scales.dtype
        steps = scales.detach().float()[..., None]
        grouped = layer.module.weight.detach().float().reshape(len(steps), steps.shape[1], -1)
        levels = to_grid(grouped / steps, torch.ones_like(steps), scheme.kind, scheme.bits)
        self._levels = levels.to(torch.int8 if scheme.kind == "int" else torch.float8_e4m3fn)
        self.values = [steps[..., 0].clone().requires_grad_()]

    def stand_ins(self, module: Any) -> dict[str, torch.Tensor | None]:
        """Gives what the layer computes with now."""
        return own_parameters(module) | {"weight": self._weight().to(module.weight.dtype)}

    def write(self) -> None:
        """Writes scales, and the weight that goes with them, into the layer."""
        write_parameter(self._layer.module, "weight_scale", self.values[0].detach())
        write_parameter(self._layer.module, "weight", self._weight().detach())

    def _weight(self) -> torch.Tensor:
        """Gives the weight as it comes back from a checkpoint, float32[output, input]."""
        scales = _as_stored(self.values[0], self._dtype)
        return (self._levels.float() * scales[..., None]).flatten(1)


class Vectors:
    """A module's own parameters of one dimension: the weight of a norm, biases.

    Args:
        module: The module.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        own = {
            name: one for name, one in own_parameters(module).items() if one is not None and one.dim() == 1
        }
        self._dtypes = {name: one.dtype for name, one in own.items()}
        self._trained = {name: one.detach().float().clone().requires_grad_() for name, one in own.items()}
        self.values = list(self._trained.values())

    def stand_ins(self, module: Any) -> dict[str, torch.Tensor | None]:
        """Gives what the module computes with now."""
        stored = {name: _as_stored(value, self._dtypes[name]) for name, value in self._trained.items()}
        return own_parameters(module) | {
            name: value.to(getattr(module, name).dtype) for name, value in stored.items()
        }

    def write(self) -> None:
        """Writes the values into the module."""
        for name, value in self._trained.items():
            write_parameter(self._module, name, value.detach())


def _as_stored(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Gives values as they come back from a checkpoint in this dtype."""
    return values + (values.to(dtype).float() - values).detach()
