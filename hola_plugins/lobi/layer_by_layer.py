"""A backward pass that holds the activations of one decoder layer at a time: each is computed again for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


@contextmanager
def layer_by_layer(model: Any, layers: str) -> Iterator[None]:
    """Runs decoder layers without gradients in a forward pass, and once more in the backward pass, with them.

    Hooks on modules of a layer see two calls; only in the second one do outputs require gradients. The input of
    the first layer must require one, so the embedding's output is made to.

    Args:
        model: The model.
        layers: Name of the list of decoder layers.
    """
    modules = list(model.get_submodule(layers))
    kept = [vars(module).get("forward") for module in modules]
    embeddings = model.get_input_embeddings()
    hook = embeddings.register_forward_hook(lambda _, __, output: output.detach().requires_grad_())
    try:
        for module in modules:
            module.forward = _computed_twice(module.forward)
        yield
    finally:
        hook.remove()
        for module, forward in zip(modules, kept, strict=True):
            vars(module).pop("forward", None)
            if forward is not None:
                module.forward = forward


def _computed_twice(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a layer's forward pass keep its input alone."""

    def wrapped(hidden: torch.Tensor, *args: Any, **keywords: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(hidden, *args, **keywords)
        return checkpoint(partial(forward, **keywords), hidden, *args, use_reentrant=True)

    return wrapped
