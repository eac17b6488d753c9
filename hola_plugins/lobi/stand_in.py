"""Weights that stand in for a module's own while it runs: nothing is written into the model.

What stands in lives as long as one call, and for a backward pass as long as autograd needs it. So a model whose
weights lie elsewhere (on disk, or in another memory) needs room for one module's at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

StandIns = Callable[[nn.Module], dict[str, torch.Tensor | None]]
"""Gives what a module computes with, by name of its own parameters."""


@contextmanager
def standing_in(modules: Mapping[nn.Module, StandIns]) -> Iterator[None]:
    """Has modules compute with other weights, as long as the context lasts; contexts may be nested.

    Args:
        modules: What makes the stand-ins of a module, by module.
    """
    hooks: list[Any] = []
    try:
        for module, make in modules.items():
            hooks += _install(module, make)
        yield
    finally:
        for hook in hooks:
            hook.remove()


def own_parameters(module: nn.Module) -> dict[str, torch.Tensor | None]:
    """Gives the parameters that a module holds itself, by name."""
    return dict(module._parameters)  # noqa: SLF001


def write_parameter(module: Any, name: str, values: torch.Tensor) -> None:
    """Gives one of a module's own parameters new values, also where it lies elsewhere.

    Args:
        module: The module.
        name: The parameter's name.
        values: Of its shape; any dtype and device.
    """
    own = module._parameters  # noqa: SLF001
    with torch.no_grad():
        if isinstance(own, dict):
            own[name].copy_(values)
        else:
            own[name] = values.to(own[name].dtype)


def _install(module: nn.Module, make: StandIns) -> list[Any]:
    """Swaps the parameters before each call and puts them back after it, last in, first out."""
    kept: list[Any] = []

    def before(one: nn.Module, _: Any) -> None:
        stand_ins = make(one)
        kept.append(one._parameters)  # noqa: SLF001
        one._parameters = stand_ins  # noqa: SLF001

    def after(one: nn.Module, _: Any, __: Any) -> None:
        if kept:
            one._parameters = kept.pop()  # noqa: SLF001

    return [
        module.register_forward_pre_hook(before),
        module.register_forward_hook(after, prepend=True, always_call=True),
    ]
