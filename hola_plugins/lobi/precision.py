"""Float32 for what is computed on a CPU: half precision is slow there, and its noise hides small divergences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch

Rest = ParamSpec("Rest")
Result = TypeVar("Result")


@contextmanager
def float32_on_cpu(model: Any) -> Iterator[None]:
    """Holds a model's half-precision weights in float32 while it is on a CPU, then puts its own back.

    What is written into a weight meanwhile is lost.
    """
    half = [
        parameter
        for parameter in model.parameters()
        if parameter.device.type == "cpu" and parameter.dtype in (torch.bfloat16, torch.float16)
    ]
    kept = [parameter.data for parameter in half]
    try:
        for parameter in half:
            parameter.data = parameter.data.float()
        yield
    finally:
        for parameter, own in zip(half, kept, strict=True):
            parameter.data = own


def computed_in_float32(
    function: Callable[Concatenate[Any, Rest], Result],
) -> Callable[Concatenate[Any, Rest], Result]:
    """Makes a function of a model compute in float32 where the model is on a CPU."""

    @wraps(function)
    def wrapped(model: Any, /, *args: Rest.args, **keywords: Rest.kwargs) -> Result:
        with float32_on_cpu(model):
            return function(model, *args, **keywords)

    return wrapped
