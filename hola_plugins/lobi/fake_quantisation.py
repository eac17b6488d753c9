"""A model that computes as if a plan were applied, for as long as a context lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from hola_plugins.lobi.linear import weight_of
from hola_plugins.lobi.quantise import quantise_activation
from hola_plugins.lobi.scheme import Scheme

Quantiser = Callable[[str, torch.Tensor, Scheme], torch.Tensor]
"""Gives a layer's weight as it comes back from a scheme; takes its name, its weight and the scheme."""


@contextmanager
def quantised(model: nn.Module, schemes: Mapping[str, Scheme], quantise: Quantiser) -> Iterator[None]:
    """Puts rounded weights in place of these layers' own, and rounds their inputs; undoes both at the end.

    Args:
        model: The model.
        schemes: Scheme by name of layer.
        quantise: How weights are rounded.
    """
    kept: dict[str, torch.Tensor] = {}
    hooks: list[Any] = []
    try:
        for name, scheme in schemes.items():
            if scheme.kind == "none":
                continue
            module = model.get_submodule(name)
            weight = weight_of(module)
            kept[name] = weight.clone()
            weight.copy_(quantise(name, weight, scheme))
            if scheme.activation_bits < 16:
                hooks.append(module.register_forward_pre_hook(_rounded_input(scheme)))
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for name, weight in kept.items():
            weight_of(model.get_submodule(name)).copy_(weight)


def _rounded_input(scheme: Scheme) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
    """Makes the hook that rounds a layer's input."""

    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (quantise_activation(inputs[0], scheme), *inputs[1:])

    return hook
