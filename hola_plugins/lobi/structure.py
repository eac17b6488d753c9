"""What a decoder is made of, read from its module graph: fused groups, MLPs, attentions, layers.

One forward pass shows which linear layers read the same tensor. Those of one parent module that do are
what an engine fuses (query, key and value; gate and up), so they must share a scheme.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.linear import is_linear, weight_shape
from hola_plugins.lobi.saved_tensors import head_is_tied


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that an engine fuses, hence of one scheme.

    Attributes:
        name: Its members' names, joined: the name in plans and reports.
        members: Module names.
        layer: Number of the decoder layer; that of the head is the depth.
        role: attention_in, attention_out, mlp_in, mlp_out or head.
    """

    name: str
    members: tuple[str, ...]
    layer: int
    role: str


@dataclass(frozen=True, slots=True)
class Block:
    """An MLP or an attention: the layers that read its input, and the one that writes its output.

    Attributes:
        inputs: Names of gate and up, or of query, key and value; one name where they are fused.
        output: Name of the layer that writes the output.
        width: Channels between them.
    """

    inputs: tuple[str, ...]
    output: str
    width: int


@dataclass(frozen=True, slots=True)
class Structure:
    """The parts of a decoder.

    Attributes:
        layers: Name of the list of decoder layers.
        depth: Their number.
        groups: All groups of the decoder layers, in the order in which they run.
        mlps: One a layer.
        attentions: One a layer.
        head: The layer that gives the logits; None where it shares its weight with the embedding.
    """

    layers: str
    depth: int
    groups: tuple[Group, ...]
    mlps: tuple[Block, ...]
    attentions: tuple[Block, ...]
    head: Group | None = None

    @property
    def linear_names(self) -> list[str]:
        """Names of all linear layers of the decoder layers."""
        return [member for group in self.groups for member in group.members]

    @property
    def all_groups(self) -> tuple[Group, ...]:
        """The groups of the decoder layers, and the head where its weight is its own."""
        return (*self.groups, self.head) if self.head else self.groups

    def first_layers(self, depth: int) -> Structure:
        """Gives the structure of a model with this many of its layers, named anew from the first on."""
        return Structure(
            self.layers,
            depth,
            tuple(group for group in self.groups if group.layer < depth),
            self.mlps[:depth],
            self.attentions[:depth],
            self.head and replace(self.head, layer=depth),
        )


def read_structure(model: nn.Module) -> Structure:
    """Reads the structure of a causal language model of transformers.

    Args:
        model: The model; a forward pass over two tokens is run.

    Raises:
        LoBiError: If it is not a dense decoder whose layers are one attention and one MLP of linear layers.
    """
    path, layers = _decoder_layers(model)
    _check_linear_classes(model, path)
    readers = _readers_by_input(model, path)
    mlps, attentions, groups = [], [], []
    for number, layer in enumerate(layers):
        prefix = f"{path}.{number}."
        blocks = _blocks_of(number, prefix, layer, readers, model)
        attentions.append(blocks["attention"])
        mlps.append(blocks["mlp"])
        for kind, block in blocks.items():
            groups.append(_group(block.inputs, number, f"{kind}_in"))
            groups.append(_group((block.output,), number, f"{kind}_out"))
    head = _untied_head(model, len(layers))
    return Structure(path, len(layers), tuple(groups), tuple(mlps), tuple(attentions), head)


def _untied_head(model: Any, depth: int) -> Group | None:
    """Finds the output layer, where its weight is its own."""
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head_is_tied(model):
        return None
    name = next(name for name, module in model.named_modules() if module is head)
    return Group(name, (name,), depth, "head")


def _group(members: tuple[str, ...], layer: int, role: str) -> Group:
    """Names a group after its members: ``model.layers.0.mlp.gate_proj+up_proj``."""
    head, *rest = members
    return Group("+".join([head, *(name.rpartition(".")[2] for name in rest)]), members, layer, role)


def _decoder_layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Finds the list of decoder layers."""
    config: Any = getattr(model, "config", None)
    depth = getattr(config, "num_hidden_layers", None)
    if depth is None or getattr(config, "is_encoder_decoder", False):
        raise LoBiError(
            f"{type(model).__name__} is no decoder of transformers with num_hidden_layers in its config; "
            "Lo-Bi compresses causal language models"
        )
    found = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    ]
    if len(found) != 1:
        raise LoBiError(
            f"{type(model).__name__} has {len(found)} lists of {depth} layers; Lo-Bi needs exactly one"
        )
    return found[0]


def _check_linear_classes(model: nn.Module, path: str) -> None:
    """Refuses linear layers of a class of their own."""
    for name, module in model.named_modules():
        if name.startswith(f"{path}.") and isinstance(module, nn.Linear) and not is_linear(module):
            raise LoBiError(
                f"{name} is a {type(module).__name__}, and compressed-tensors packs layers of the class "
                f"torch.nn.Linear itself alone: Lo-Bi does not compress {type(model).__name__}"
            )


def _readers_by_input(model: nn.Module, path: str) -> dict[str, int]:
    """Gives, by linear layer in the order of running, the number of the tensor that it reads."""
    inputs: list[torch.Tensor] = []
    readers: dict[str, int] = {}

    def note(name: str, tensor: torch.Tensor) -> None:
        if name in readers:
            raise LoBiError(f"{name} runs twice in one pass: shared layers cannot have one scheme each")
        known = next((place for place, one in enumerate(inputs) if one is tensor), len(inputs))
        if known == len(inputs):
            inputs.append(tensor)
        readers[name] = known

    linears = {
        name: module
        for name, module in model.named_modules()
        if name.startswith(f"{path}.") and is_linear(module)
    }
    hooks = [
        module.register_forward_pre_hook(lambda _, args, name=name: note(name, args[0]))
        for name, module in linears.items()
    ]
    try:
        _run_two_tokens(model)
    finally:
        for hook in hooks:
            hook.remove()
    idle = [name for name in linears if name not in readers]
    if idle:
        raise LoBiError(
            f"{idle[0]} took no part in a forward pass (a mixture of experts, or a branch); "
            "Lo-Bi compresses dense decoders"
        )
    return readers


def _run_two_tokens(model: nn.Module) -> None:
    """Runs a forward pass over two tokens."""
    device = next(model.parameters()).device
    ids = torch.arange(2, device=device)[None]
    training = model.training
    model.eval()
    with torch.no_grad():
        model(input_ids=ids, use_cache=False)
    model.train(training)


def _blocks_of(
    number: int, prefix: str, layer: nn.Module, readers: dict[str, int], model: nn.Module
) -> dict[str, Block]:
    """Finds the attention and the MLP of one decoder layer."""
    by_parent: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, place in readers.items():
        if name.startswith(prefix):
            by_parent[name.rpartition(".")[0]][place].append(name)
    blocks: dict[str, Block] = {}
    for parent, stages in by_parent.items():
        kind = "attention" if "attention" in type(model.get_submodule(parent)).__name__.lower() else "mlp"
        block = _block(list(stages.values()), model)
        if block is None or kind in blocks:
            raise LoBiError(
                f"{parent} ({type(model.get_submodule(parent)).__name__}) is not one set of input layers "
                "followed by one output layer; Lo-Bi does not know how to treat it"
            )
        blocks[kind] = block
    expert = next((name for name, weight in layer.named_parameters() if weight.dim() > 2), None)
    if set(blocks) != {"attention", "mlp"} or expert is not None:
        reason = (
            f"the weight {prefix}{expert} of a mixture of experts" if expert else f"only {sorted(blocks)}"
        )
        raise LoBiError(f"decoder layer {number} has {reason}; Lo-Bi needs one attention and one dense MLP")
    return blocks


def _block(stages: list[list[str]], model: nn.Module) -> Block | None:
    """Gives the block of two stages of layers; None where there are others."""
    if len(stages) != 2 or len(stages[1]) != 1:
        return None
    width = weight_shape(model.get_submodule(stages[1][0]))[1]
    return Block(tuple(stages[0]), stages[1][0], width)
