"""A model that computes as if a plan were applied, for as long as a context lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from hola_plugins.lobi.linear import is_transposed, weight_of
from hola_plugins.lobi.quantise import quantise_activation
from hola_plugins.lobi.scheme import Scheme
from hola_plugins.lobi.stand_in import StandIns, own_parameters, standing_in

Quantiser = Callable[[str, torch.Tensor, Scheme], torch.Tensor]
"""Gives a layer's weight as it comes back from a scheme; takes its name, its weight and the scheme."""


@contextmanager
def quantised(model: nn.Module, schemes: Mapping[str, Scheme], quantise: Quantiser) -> Iterator[None]:
    """Has layers compute with rounded weights and rounded inputs; the model itself is not written to.

    Args:
        model: The model.
        schemes: Scheme by name of layer.
        quantise: How weights are rounded.
    """
    stand_ins = {
        model.get_submodule(name): _rounded(name, scheme, quantise)
        for name, scheme in schemes.items()
        if scheme.kind != "none"
    }
    with inputs_rounded(model, schemes), standing_in(stand_ins):
        yield


@contextmanager
def inputs_rounded(model: nn.Module, schemes: Mapping[str, Scheme]) -> Iterator[None]:
    """Has layers compute with rounded inputs, where their scheme says so; gradients pass the rounding unchanged."""
    hooks = [
        model.get_submodule(name).register_forward_pre_hook(_rounded_input(scheme))
        for name, scheme in schemes.items()
        if scheme.activation_bits < 16
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _rounded(name: str, scheme: Scheme, quantise: Quantiser) -> StandIns:
    """Makes what puts a layer's rounded weight in place of its own."""

    def stand_ins(module: nn.Module) -> dict[str, torch.Tensor | None]:
        weight = weight_of(module)
        rounded = quantise(name, weight, scheme).to(weight.dtype)
        return own_parameters(module) | {"weight": rounded.T if is_transposed(module) else rounded}

    return stand_ins


def _rounded_input(scheme: Scheme) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
    """Makes the hook that rounds a layer's input."""

    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        values = inputs[0]
        rounding = (quantise_activation(values, scheme) - values).detach()
        return (values + rounding, *inputs[1:])

    return hook
