"""Weights and activations as they come back from a scheme: rounded to its grid, in floating point.

The grids are those of compressed-tensors: symmetric, scale = 2 max|x| / (levels - 1) for integers and
max|x| / 448 for E4M3.
"""

from __future__ import annotations

import torch

from hola_plugins.lobi.scheme import Scheme

_LARGEST_E4M3 = 448.0


def grid_scale(values: torch.Tensor, scheme_kind: str, bits: int) -> torch.Tensor:
    """Gives the scale of each last-dimension group, [..., 1]; 1 where all values are 0."""
    largest = values.abs().amax(dim=-1, keepdim=True)
    scale = largest / _LARGEST_E4M3 if scheme_kind == "float" else largest * 2 / (2**bits - 1)
    return torch.where(scale > 0, scale, torch.ones_like(scale))


def to_grid(values: torch.Tensor, scale: torch.Tensor, scheme_kind: str, bits: int) -> torch.Tensor:
    """Rounds values to the grid of their scale."""
    if scheme_kind == "float":
        limited = (values / scale).clamp(-_LARGEST_E4M3, _LARGEST_E4M3)
        return limited.to(torch.float8_e4m3fn).to(values.dtype) * scale
    half = 2 ** (bits - 1)
    return (values / scale).round().clamp(-half, half - 1) * scale


def quantise_weight(weight: torch.Tensor, scheme: Scheme, scales_in: torch.dtype) -> torch.Tensor:
    """Rounds a weight to nearest.

    Args:
        weight: [output, input], floating point.
        scheme: The scheme; its group size divides the input.
        scales_in: Dtype in which scales are stored: that of the checkpoint.

    Returns:
        The weight after storing and loading, float32[output, input].
    """
    if scheme.kind == "none":
        return weight.float()
    rows, columns = weight.shape
    grouped = weight.float().reshape(rows, -1, scheme.group_size or columns)
    scale = grid_scale(grouped, scheme.kind, scheme.bits).to(scales_in).float()
    return to_grid(grouped, scale, scheme.kind, scheme.bits).reshape(rows, columns)


def quantise_activation(values: torch.Tensor, scheme: Scheme) -> torch.Tensor:
    """Rounds activations by token, as the engine does at run time; leaves 16-bit ones as they are."""
    if scheme.activation_bits == 16:
        return values
    scale = grid_scale(values.float(), scheme.kind, 8)
    return to_grid(values.float(), scale, scheme.kind, 8).to(values.dtype)
