"""A quantised layer that can be trained without leaving its grid: its scales, and which level each weight takes.

A level is round(z + B·A) within the range of the scheme, where z is the original weight in steps of the grid, held
to the half step around the level that quantisation chose: before training every level is that one. B·A are LoRA
factors under the rounding, whose gradient is passed straight through (LR-QAT, Bondarenko et al., arXiv 2406.06385).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from hola_plugins.lobi.quantise import to_grid
from hola_plugins.lobi.scheme import Scheme
from hola_plugins.lobi.stand_in import own_parameters

_JUST_HALF = 0.49


@dataclass(frozen=True, slots=True)
class QuantisedLayer:
    """A layer as its host has quantised it; both tensors are the host's own and are written to.

    Attributes:
        module: The layer, with its weight rounded.
        scales: The scales, [output, groups].
        scheme: The scheme.
        original: The weight before it was quantised; None trains the scales alone.
    """

    module: Any
    scales: torch.Tensor
    scheme: Scheme
    original: torch.Tensor | None


class TunableLayer:
    """What is trained of one layer.

    Args:
        layer: The layer.
        rank: Rank of the factors; 0 leaves every level as it is.
        generator: Draws the factors.
    """

    def __init__(self, layer: QuantisedLayer, rank: int, generator: torch.Generator) -> None:
        self._layer = layer
        scales = layer.scales.detach().float()
        self._steps = scales[..., None]
        self.scales = scales.clone().requires_grad_()
        self._levels = self._nearest(self._grouped(layer.module.weight) / self._steps)
        self._latents: torch.Tensor | None = None
        self.factors: list[torch.Tensor] = []
        if rank and layer.original is not None:
            wanted = self._grouped(layer.original) / self._steps
            low, high = self._levels - _JUST_HALF, self._levels + _JUST_HALF
            self._latents = wanted.clamp(min=low, max=high)
            rows, columns = layer.module.weight.shape
            drawn = torch.randn(rank, columns, generator=generator) / columns**0.5
            zeros = torch.zeros(rows, rank)
            self.factors = [part.to(scales.device).requires_grad_() for part in (zeros, drawn)]

    def rates(self, scale_rate: float, level_rate: float) -> list[tuple[torch.Tensor, float]]:
        """Gives what is trained with its learning rate; that of scales is relative to their size."""
        scale = float(self.scales.detach().mean())
        return [(self.scales, scale_rate * scale), *((factor, level_rate) for factor in self.factors)]

    def stand_ins(self, module: Any) -> dict[str, torch.Tensor | None]:
        """Gives what the layer computes with now."""
        return own_parameters(module) | {"weight": self._weight().to(module.weight.dtype)}

    def write(self) -> None:
        """Writes levels and scales into the host's tensors."""
        with torch.no_grad():
            self._layer.scales.copy_(self.scales)
            self._layer.module.weight.copy_(self._weight())

    def changed(self) -> int:
        """Gives how many weights have another level than before."""
        with torch.no_grad():
            return int((self._levels_now() != self._levels).sum())

    def _grouped(self, weight: torch.Tensor) -> torch.Tensor:
        """Gives a weight by groups that share a scale, float32[output, groups, width]."""
        return weight.detach().float().reshape(len(weight), self._layer.scales.shape[1], -1)

    def _levels_now(self) -> torch.Tensor:
        """Gives the levels, [output, groups, width]; the gradient of rounding is passed straight through."""
        if self._latents is None:
            return self._levels
        up, down = self.factors
        latents = self._latents + (up @ down).reshape(self._latents.shape)
        return latents + (self._nearest(latents) - latents).detach()

    def _nearest(self, latents: torch.Tensor) -> torch.Tensor:
        """Gives the nearest levels within the range of the scheme."""
        one = torch.ones((), device=latents.device)
        return to_grid(latents, one, self._layer.scheme.kind, self._layer.scheme.bits)

    def _weight(self) -> torch.Tensor:
        """Gives the weight as it is loaded from a checkpoint, scales rounded to its dtype, float32[output, input]."""
        stored = as_stored(self.scales, self._layer.scales.dtype)
        return (self._levels_now() * stored[..., None]).flatten(1)


def as_stored(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Gives values as they come back from a checkpoint in this dtype; gradients pass the rounding unchanged."""
    return values + (values.to(dtype).to(values.dtype) - values).detach()
