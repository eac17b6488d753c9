"""Which shape a draft of some size has: few layers first, then fewer channels, then fewer key-value heads.

A step of a draft waits for its layers one after the other, so that of two drafts of one size the shallower is faster
(Yan et al., "Decoding Speculative Decoding", arXiv 2402.01528).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.cut import Cut, rebuild
from hola_plugins.lobi.draft.config import DraftConfig
from hola_plugins.lobi.linear import weight_shape
from hola_plugins.lobi.structure import Block, Structure

_NEAR = 0.8
"""Share of the wanted size from which the fewest layers are taken."""


def choose_shape(model: Any, structure: Structure, config: DraftConfig) -> Cut:
    """Chooses what remains of a target, and tries it on the configuration.

    Args:
        model: The target.
        structure: Its structure.
        config: The size, and the layers if they are asked for.

    Raises:
        LoBiError: If no shape is so small, or the model cannot take it.
    """
    if config.layers is not None and config.layers >= structure.depth:
        raise LoBiError(f"--layers must be under the target's {structure.depth} layers, got {config.layers}")
    shapes = [
        (size, cut)
        for cut in _shapes(model, structure, config.multiple)
        if (size := _size(model, structure, cut)) <= config.share + 1e-9
        and config.layers in {None, cut.layers}
    ]
    if not shapes:
        raise LoBiError(_too_small(model, structure, config))
    enough = _NEAR * max(size for size, _ in shapes)
    fewest = min(cut.layers for size, cut in shapes if size >= enough)
    _, chosen = max(((size, cut) for size, cut in shapes if cut.layers == fewest), key=lambda one: one[0])
    rebuild(model, structure, chosen)
    return chosen


@dataclass(frozen=True, slots=True)
class Extent:
    """The size of a model.

    Attributes:
        parameters: All parameters, tied ones once.
        decoder_parameters: Those that are neither of the embedding nor of the head.
        layers: Decoder layers.
    """

    parameters: int
    decoder_parameters: int
    layers: int

    @classmethod
    def of(cls, model: Any) -> Self:
        """Counts a model that is not quantised."""
        ends = {model.get_input_embeddings(), model.get_output_embeddings()} - {None}
        outer = {id(parameter) for module in ends for parameter in module.parameters()}
        sizes = [(id(parameter) in outer, parameter.numel()) for parameter in model.parameters()]
        return cls(
            parameters=sum(size for _, size in sizes),
            decoder_parameters=sum(size for is_outer, size in sizes if not is_outer),
            layers=model.config.get_text_config().num_hidden_layers,
        )


def _shapes(model: Any, structure: Structure, multiple: int) -> Iterator[Cut]:
    """Yields what may remain: fewer heads only where channels are at their least."""
    width = structure.mlps[0].width
    widths = [*range(multiple, width, multiple), width]
    heads = getattr(model.config, "num_key_value_heads", None) or 1
    has_size = getattr(model.config, "head_dim", None) is not None
    for layers in range(1, structure.depth):
        yield from (Cut(channels, None, layers) for channels in widths)
        if has_size:
            yield from (Cut(widths[0], kept, layers) for kept in range(1, heads) if heads % kept == 0)
    yield from (Cut(channels, None, structure.depth) for channels in widths[:-1])


def _size(model: Any, structure: Structure, cut: Cut) -> float:
    """Gives the decoder parameters of a shape as a share of all; what is outside the layers, a norm, is left out."""
    mlp, attention = (_weights(model, block) for block in (structure.mlps[0], structure.attentions[0]))
    layers = model.get_submodule(structure.layers)
    whole: float = sum(parameter.numel() for parameter in layers.parameters()) / structure.depth
    heads = 1.0 if cut.kv_heads is None else cut.kv_heads / model.config.num_key_value_heads
    left = mlp * cut.channels / structure.mlps[0].width + attention * heads + (whole - mlp - attention)
    return cut.layers * left / (structure.depth * whole)


def _weights(model: Any, block: Block) -> int:
    """Counts the weights of a block."""
    shapes = (weight_shape(model.get_submodule(name)) for name in (*block.inputs, block.output))
    return sum(rows * columns for rows, columns in shapes)


def _too_small(model: Any, structure: Structure, config: DraftConfig) -> str:
    """Says which size is the least that can be made."""
    sizes = [
        _size(model, structure, cut)
        for cut in _shapes(model, structure, config.multiple)
        if config.layers in {None, cut.layers}
    ]
    least = math.ceil(1000 * min(sizes)) / 1000
    layers = "" if config.layers is None else f" with {config.layers} layers"
    return f"--size {config.share:.1%} is under the smallest draft of this target{layers}: ask for {least:.1%} or more"
