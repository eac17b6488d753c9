"""Weights and activations as they come back from a scheme: rounded to its grid, in floating point.

The grids are those of compressed-tensors: symmetric, scale = 2 max|x| / (levels - 1) for integers and
max|x| / 448 for E4M3. Where bits are few, the largest weights are cut off as far as that lowers the error of all, as
llmcompressor's observer memoryless_mse does.
"""

from __future__ import annotations

import torch

from hola_plugins.lobi.scheme import Scheme

_LARGEST_E4M3 = 448.0
_SMALLEST_SHARE = 0.8
_SHARES = 20
_NORM = 2.4
"""How far the range is cut, in how many steps, and the power of an error: those of memoryless_mse."""


def grid_scale(values: torch.Tensor, scheme_kind: str, bits: int) -> torch.Tensor:
    """Gives the scale of each last-dimension group, [..., 1]; 1 where all values are 0."""
    largest = values.abs().amax(dim=-1, keepdim=True)
    scale = largest / _LARGEST_E4M3 if scheme_kind == "float" else largest * 2 / (2**bits - 1)
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def weight_scale(values: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """Gives the scale of each last-dimension group of weights, [..., 1].

    Args:
        values: The weights.
        scheme: Their scheme; of its few bits, the scale of least error is taken, of many that of the largest.
    """
    whole = grid_scale(values, scheme.kind, scheme.bits)
    if not scheme.coarse:
        return whole
    best, least = whole, _error(values, whole, scheme)
    for step in range(1, _SHARES + 1):
        tried = whole * (1 - (1 - _SMALLEST_SHARE) * step / _SHARES)
        error = _error(values, tried, scheme)
        best = torch.where(error < least, tried, best)
        least = torch.minimum(error, least)
    return best


def _error(values: torch.Tensor, scale: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """Gives the error of each last-dimension group of weights, [..., 1]; by logarithms, which are faster than powers."""
    error = to_grid(values, scale, scheme.kind, scheme.bits).sub_(values).abs_()
    return error.log_().mul_(_NORM).exp_().sum(dim=-1, keepdim=True)


def to_grid(values: torch.Tensor, scale: torch.Tensor, scheme_kind: str, bits: int) -> torch.Tensor:
    """Rounds values to the grid of their scale."""
    if scheme_kind == "float":
        limited = (values / scale).clamp(-_LARGEST_E4M3, _LARGEST_E4M3)
        return limited.to(torch.float8_e4m3fn).to(values.dtype) * scale
    half = 2 ** (bits - 1)
    return (values / scale).round().clamp(-half, half - 1) * scale


def stored_scale(values: torch.Tensor, scheme: Scheme, dtype: torch.dtype) -> torch.Tensor:
    """Gives the scale of each last-dimension group of weights as a checkpoint holds it, float32[..., 1].

    Args:
        values: The weights.
        scheme: Their scheme.
        dtype: That of the checkpoint; a scale that it rounds to 0 becomes its epsilon, as in compressed-tensors.
    """
    scale = weight_scale(values, scheme).to(dtype)
    return torch.where(scale > 0, scale, torch.finfo(dtype).eps).float()


class NearestRounding:
    """Rounds weights to nearest; call it with a layer's name, its weight and the scheme. Scales are found once.

    Args:
        scales_in: Dtype in which scales are stored: that of the checkpoint.
    """

    def __init__(self, scales_in: torch.dtype) -> None:
        self._scales_in = scales_in
        self._scales: dict[tuple[str, str], torch.Tensor] = {}

    def __call__(self, name: str, weight: torch.Tensor, scheme: Scheme) -> torch.Tensor:
        """Rounds a weight.

        Args:
            name: The layer's name.
            weight: [output, input], floating point.
            scheme: The scheme; its group size divides the input.

        Returns:
            The weight after storing and loading, float32[output, input].
        """
        if scheme.kind == "none":
            return weight.float()
        grouped = weight.float().reshape(len(weight), -1, scheme.group_size or weight.shape[1])
        key = (name, scheme.name)
        if key not in self._scales:
            self._scales[key] = stored_scale(grouped, scheme, self._scales_in)
        return to_grid(grouped, self._scales[key], scheme.kind, scheme.bits).flatten(1)


def quantise_activation(values: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """Rounds activations by token, as the engine does at run time; leaves 16-bit ones as they are."""
    if scheme.activation_bits == 16:
        return values
    scale = grid_scale(values.float(), scheme.kind, 8)
    return to_grid(values.float(), scale, scheme.kind, 8).to(values.dtype)
