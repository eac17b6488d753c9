"""Which layers entries of ``ignore`` mean, as llmcompressor matches them: by name, expression or class."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from torch import nn

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.stand_in import own_parameters
from hola_plugins.lobi.structure import Structure


def is_ignored(name: str, module: nn.Module, ignore: Sequence[str]) -> bool:
    """Tells whether an entry means a module: its name, ``re:`` and the beginning of its name, or a class it has."""
    return any(_means(one, name, module) for one in ignore)


def check_ignore(model: Any, ignore: Sequence[str]) -> None:
    """Refuses entries that mean no layer of a model.

    Raises:
        LoBiError: If there is one; the message names the nearest layer.
    """
    layers = {name: module for name, module in model.named_modules() if name and own_parameters(module)}
    for one in ignore:
        if not any(_means(one, name, module) for name, module in layers.items()):
            near = _nearest(one.removeprefix("re:"), list(layers))
            raise LoBiError(
                f"ignore: {one!r} matches no layer of {type(model).__name__}; give a name, the class Linear, or an "
                f"expression that matches from the beginning. The nearest layer is {near!r}, 're:.*{near.rpartition('.')[2]}' all of its kind"
            )


def check_every_layer(model: Any, structure: Structure, ignore: Sequence[str]) -> None:
    """Refuses entries that mean some decoder layers alone, where layers are dropped and the rest numbered anew.

    Raises:
        LoBiError: If there is one.
    """
    for one in ignore:
        meant: list[set[str]] = [set() for _ in range(structure.depth)]
        for group in structure.groups:
            prefix = f"{structure.layers}.{group.layer}."
            found = (name for name in group.members if _means(one, name, model.get_submodule(name)))
            meant[group.layer] |= {name.removeprefix(prefix) for name in found}
        if any(names != meant[0] for names in meant):
            raise LoBiError(
                f"ignore: {one!r} means some decoder layers alone, and prune.layers numbers those anew that remain: "
                "ignore the same in every layer, such as 're:.*down_proj', or set prune.layers to 0"
            )


def _means(one: str, name: str, module: nn.Module) -> bool:
    """Tells whether one entry means a module."""
    if one.startswith("re:"):
        return re.match(one[3:], name) is not None
    return one == name or any(one == kind.__name__ for kind in type(module).__mro__)


def _nearest(one: str, names: Sequence[str]) -> str:
    """Gives the layer whose name, or the end of it, is most like this."""
    part = one.count(".") + 1
    ends = {".".join(name.split(".")[-part:]): name for name in reversed(names)}
    return ends[difflib.get_close_matches(one, ends, n=1, cutoff=0.0)[0]]
