"""Cuts MLP channels, key-value heads and whole layers so that a standard architecture remains.

Widths stay equal in all layers, because neither vLLM nor transformers loads others. Every cut is tried on
the configuration first: a model that cannot be rebuilt from it at the new sizes is refused untouched.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hola_plugins.lobi.block_rows import by_unit, rows_of
from hola_plugins.lobi.config import LoBiError, PruneConfig
from hola_plugins.lobi.linear import keep_inputs, keep_outputs, weight_shape
from hola_plugins.lobi.saliency import Saliency
from hola_plugins.lobi.structure import Block, Structure

_WIDTH_KEYS = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")


@dataclass(frozen=True, slots=True)
class Cut:
    """What remains.

    Attributes:
        channels: Channels of every MLP.
        kv_heads: Key-value heads of every attention; None leaves them.
        layers: Decoder layers.
    """

    channels: int
    kv_heads: int | None
    layers: int


def plan_cut(model: Any, structure: Structure, config: PruneConfig) -> Cut:
    """Turns fractions into sizes and tries them on the configuration.

    Raises:
        LoBiError: If the model cannot take the cut, with the reason.
    """
    width = structure.mlps[0].width
    cut = Cut(
        channels=_rounded_width(width, config),
        kv_heads=_kept_heads(model, structure, config.kv_heads),
        layers=_kept_depth(structure.depth, config.layers),
    )
    rebuild(model, structure, cut)
    return cut


def _rounded_width(width: int, config: PruneConfig) -> int:
    """Gives the kept channels: a multiple, and all of them where nothing is to be cut."""
    if config.channels == 0:
        return width
    kept = round(width * (1 - config.channels) / config.multiple) * config.multiple
    if not 0 < kept < width:
        raise LoBiError(
            f"prune.channels {config.channels} of {width} channels keeps {kept}, in multiples of "
            f"{config.multiple}; that is no cut that can be made: change the fraction or prune.multiple"
        )
    return kept


def _kept_depth(depth: int, fraction: float) -> int:
    """Gives the number of kept layers."""
    kept = max(1, round(depth * (1 - fraction)))
    if fraction > 0 and kept == depth:
        raise LoBiError(f"prune.layers {fraction} of {depth} layers cuts none: raise it or set 0")
    return kept


def _kept_heads(model: Any, structure: Structure, fraction: float) -> int | None:
    """Gives the kept key-value heads."""
    if fraction == 0:
        return None
    config = model.config
    heads = getattr(config, "num_key_value_heads", None)
    if heads is None or getattr(config, "head_dim", None) is None:
        raise LoBiError(
            f"key-value heads of {config.model_type} cannot be cut: its config has no head_dim of its own, "
            "so fewer heads would change their size; set prune.kv_heads to 0"
        )
    block = structure.attentions[0]
    rows = [weight_shape(model.get_submodule(name))[0] for name in block.inputs]
    if len(rows) == 2 or (len(rows) == 1 and rows[0] != block.width + 2 * heads * config.head_dim):
        raise LoBiError(
            f"key-value heads of {config.model_type} cannot be cut: {' and '.join(block.inputs)} are neither query, "
            "key and value nor these in one layer; set prune.kv_heads to 0"
        )
    kept = max(1, round(int(heads) * (1 - fraction)))
    if kept == heads:
        raise LoBiError(f"prune.kv_heads {fraction} of {heads} key-value heads cuts none: raise it or set 0")
    return kept


def rebuild(model: Any, structure: Structure, cut: Cut) -> Any:
    """Builds a model of the new sizes from the configuration, on the meta device: shapes without memory.

    Raises:
        LoBiError: If the configuration does not lead to these sizes, with the reason.
    """
    from huggingface_hub.errors import StrictDataclassError

    config = copy.deepcopy(model.config)
    what = f"{cut.channels} channels, {cut.kv_heads or 'all'} key-value heads and {cut.layers} layers"
    try:
        _resize(config, structure, cut, list(range(cut.layers)))
        trial = _without_memory(model, config)
        found = _widths(trial, structure)
    except (StrictDataclassError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise LoBiError(f"{type(model).__name__} cannot be rebuilt with {what}: {error}") from None
    heads = structure.attentions[0].width
    if cut.kv_heads is not None:
        heads = heads // model.config.num_key_value_heads * cut.kv_heads
    if found != (cut.channels, heads, cut.layers):
        raise LoBiError(
            f"{type(model).__name__} does not take {what}: its config makes {found[0]} channels, "
            f"{found[1]} head channels and {found[2]} layers"
        )
    _check_other_sizes(model, trial, structure, what)
    return trial


def _without_memory(model: Any, config: Any) -> Any:
    """Builds a model of the same class from a configuration, on the meta device."""
    with torch.device("meta"):
        return type(model)(type(config).from_dict(config.to_dict())).to(model.dtype)


def _check_other_sizes(model: Any, trial: Any, structure: Structure, what: str) -> None:
    """Refuses a cut that changes the size of anything but linear layers."""
    linear = tuple(f"{name}." for name in structure.linear_names)
    sizes = {name: weight.shape for name, weight in model.named_parameters()}
    for name, weight in trial.named_parameters():
        if not name.startswith(linear) and weight.shape != sizes[name]:
            raise LoBiError(
                f"{type(model).__name__} does not take {what}: the size of {name} would change too, and linear "
                "layers alone are cut; set that fraction to 0"
            )


def _widths(model: Any, structure: Structure) -> tuple[int, int, int]:
    """Gives the channels of the first MLP, those of the first attention's heads, and the number of layers."""
    mlp, attention = (
        weight_shape(model.get_submodule(block.output))[1]
        for block in (structure.mlps[0], structure.attentions[0])
    )
    return mlp, attention, len(model.get_submodule(structure.layers))


def apply_cut(
    model: Any, structure: Structure, saliency: Mapping[str, Saliency], cut: Cut
) -> tuple[dict[str, float], list[int]]:
    """Cuts the model in place.

    Args:
        model: The model.
        structure: Its structure.
        saliency: Saliency by linear layer.
        cut: What remains.

    Returns:
        The share of saliency kept, by the new name of each remaining block's output layer; and the numbers that
        the remaining layers had.
    """
    shares: dict[str, float] = {}
    heads = getattr(model.config, "num_key_value_heads", 0)
    for mlp in structure.mlps:
        shares[mlp.output] = _cut_block(model, mlp, saliency, mlp.width, cut.channels)
    for attention in structure.attentions:
        kept = heads if cut.kv_heads is None else cut.kv_heads
        shares[attention.output] = (
            _cut_block(model, attention, saliency, heads, kept) if cut.kv_heads else 1.0
        )
    layers = _kept_layers(structure, saliency, cut.layers)
    if len(layers) < structure.depth:
        _drop_layers(model, structure, layers)
    _resize(model.config, structure, cut, layers)
    _adopt_sizes(model, structure)
    return _renumbered(shares, structure, layers), layers


def _renumbered(shares: Mapping[str, float], structure: Structure, layers: list[int]) -> dict[str, float]:
    """Gives the shares of the remaining layers by their new names."""
    found: dict[str, float] = {}
    for new, old in enumerate(layers):
        for block in (structure.attentions[old], structure.mlps[old]):
            name = block.output.removeprefix(f"{structure.layers}.{old}.")
            found[f"{structure.layers}.{new}.{name}"] = shares[block.output]
    return found


def _cut_block(model: Any, block: Block, saliency: Mapping[str, Saliency], units: int, kept: int) -> float:
    """Keeps the most salient units of a block: channels of an MLP, or key-value heads with their queries."""
    if kept == units:
        return 1.0
    total = saliency[block.output].inputs.reshape(units, -1).sum(1)
    for name in block.inputs:
        total = total + by_unit(saliency[name].outputs, block, units)
    chosen = total.topk(kept).indices.sort().values
    for name in block.inputs:
        module = model.get_submodule(name)
        keep_outputs(module, rows_of(chosen, weight_shape(module)[0], block, units))
    between = torch.arange(block.width).reshape(units, -1)[chosen].reshape(-1)
    keep_inputs(model.get_submodule(block.output), between)
    return float(total[chosen].sum() / total.sum())


def _kept_layers(structure: Structure, saliency: Mapping[str, Saliency], kept: int) -> list[int]:
    """Gives the numbers of the most salient layers, in order."""
    total = [0.0] * structure.depth
    for group in structure.groups:
        total[group.layer] += sum(float(saliency[name].outputs.sum()) for name in group.members)
    best = sorted(range(structure.depth), key=lambda layer: total[layer], reverse=True)[:kept]
    return sorted(best)


def _drop_layers(model: Any, structure: Structure, kept: list[int]) -> None:
    """Keeps only these decoder layers and numbers them anew."""
    layers = model.get_submodule(structure.layers)
    remaining = [layers[number] for number in kept]
    parent, _, name = structure.layers.rpartition(".")
    setattr(model.get_submodule(parent), name, nn.ModuleList(remaining))
    for number, layer in enumerate(remaining):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = number


def _adopt_sizes(model: Any, structure: Structure) -> None:
    """Gives modules the numbers that they keep for themselves, as a model of the new configuration has them."""
    prefix = f"{structure.layers}."
    for name, module in _without_memory(model, model.config).named_modules():
        if name.startswith(prefix):
            own = vars(model.get_submodule(name))
            own |= {key: new for key, new in vars(module).items() if type(new) is type(own.get(key)) is int}


def _resize(config: Any, structure: Structure, cut: Cut, layers: list[int]) -> None:
    """Writes the new sizes into a configuration."""
    width = structure.mlps[0].width
    if cut.channels != width:
        key = next((key for key in _WIDTH_KEYS if getattr(config, key, 0) in (width, None)), None)
        if key is None:
            raise ValueError(f"its config has none of {', '.join(_WIDTH_KEYS)} equal to {width}")
        setattr(config, key, cut.channels)
    if cut.kv_heads is not None:
        queries = config.num_attention_heads // config.num_key_value_heads
        config.num_key_value_heads, config.num_attention_heads = cut.kv_heads, cut.kv_heads * queries
    if len(layers) == structure.depth:
        return
    for key in ("layer_types", "no_rope_layers", "mlp_layer_types"):
        by_layer = getattr(config, key, None)
        if isinstance(by_layer, list) and len(by_layer) == structure.depth:
            setattr(config, key, [by_layer[number] for number in layers])
    config.num_hidden_layers = len(layers)
