"""Linear layers of both layouts: `torch.nn.Linear` (output by input) and GPT-2's `Conv1D` (input by output)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def is_linear(module: nn.Module) -> bool:
    """Tells whether a module is a linear layer; subclasses of `torch.nn.Linear` are not: they are stored unpacked."""
    return type(module) is nn.Linear or is_transposed(module)


def is_transposed(module: nn.Module) -> bool:
    """Tells whether the weight lies input by output."""
    return type(module).__name__ == "Conv1D"


def weight_shape(module: Any) -> tuple[int, int]:
    """Gives the shape of the weight, output by input."""
    first, second = module.weight.shape
    return (second, first) if is_transposed(module) else (first, second)


def weight_of(module: Any) -> torch.Tensor:
    """Gives the weight as [output, input], a view."""
    weight: torch.Tensor = module.weight.detach()
    return weight.T if is_transposed(module) else weight


def keep_outputs(module: Any, kept: torch.Tensor) -> None:
    """Keeps only these output channels, in place."""
    _replace(module, weight_of(module)[kept])
    if module.bias is not None:
        module.bias = nn.Parameter(
            module.bias.detach()[kept].clone(), requires_grad=module.bias.requires_grad
        )


def keep_inputs(module: Any, kept: torch.Tensor) -> None:
    """Keeps only these input channels, in place."""
    _replace(module, weight_of(module)[:, kept])


def _replace(module: Any, weight: torch.Tensor) -> None:
    """Gives the module a new weight, [output, input], and the sizes that go with it."""
    rows, columns = weight.shape
    stored = weight.T if is_transposed(module) else weight
    module.weight = nn.Parameter(stored.clone().contiguous(), requires_grad=module.weight.requires_grad)
    if is_transposed(module):
        module.nf, module.nx = rows, columns
    else:
        module.out_features, module.in_features = rows, columns
