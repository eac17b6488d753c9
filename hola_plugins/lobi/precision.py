"""Float32 for what is computed on a CPU: half precision is slow there, and its noise hides small divergences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import nn

from hola_plugins.lobi.stand_in import own_parameters, standing_in

Rest = ParamSpec("Rest")
Result = TypeVar("Result")


@contextmanager
def float32_on_cpu(model: nn.Module) -> Iterator[None]:
    """Has a model compute in float32 where its half-precision weights are on a CPU; no weight gets a gradient.

    One module's weights at a time are converted, so that the model is not held twice.
    """
    with standing_in({module: _converted for module in model.modules() if own_parameters(module)}):
        yield


def computed_in_float32(
    function: Callable[Concatenate[Any, Rest], Result],
) -> Callable[Concatenate[Any, Rest], Result]:
    """Makes a function of a model compute in float32 where the model is on a CPU."""

    @wraps(function)
    def wrapped(model: Any, /, *args: Rest.args, **keywords: Rest.kwargs) -> Result:
        with float32_on_cpu(model):
            return function(model, *args, **keywords)

    return wrapped


@contextmanager
def trained_in_float32(model: nn.Module) -> Iterator[None]:
    """Holds a model's parameters in float32 while it is trained on a CPU, and in their own dtypes again after it.

    Buffers stay as they are: the frequencies of rotary positions are float32 in a model of half precision too.
    """
    own = {name: parameter.dtype for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.data = _float32(parameter.data)
    yield
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.to(own[name])


def _converted(module: nn.Module) -> dict[str, torch.Tensor | None]:
    """Gives a module's own parameters, in float32 where they are of half precision on a CPU."""
    return {
        name: parameter if parameter is None else _float32(parameter.detach())
        for name, parameter in own_parameters(module).items()
    }


def _float32(values: torch.Tensor) -> torch.Tensor:
    """Gives values in float32 where they are of half precision on a CPU."""
    half = values.device.type == "cpu" and values.dtype in (torch.bfloat16, torch.float16)
    return values.float() if half else values
