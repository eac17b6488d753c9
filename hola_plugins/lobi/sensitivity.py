"""What every scheme would cost every group, in nats of KL divergence, before anything is quantised.

One backward pass scores all groups and schemes: to second order the divergence of a layer's error δy is
½ E[(g·δy)²], where g is the gradient of the loss of labels drawn from the model's own distribution (the
Fisher information; the form of ModelOpt's auto_quantize and of HAWQ). The slower check measures the
divergence of every group and scheme by a forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hola_plugins.lobi.calibration import Batch
from hola_plugins.lobi.divergence import measure, record
from hola_plugins.lobi.fake_quantisation import Quantiser, quantised
from hola_plugins.lobi.layer_by_layer import layer_by_layer
from hola_plugins.lobi.linear import weight_of
from hola_plugins.lobi.precision import computed_in_float32
from hola_plugins.lobi.progress import track
from hola_plugins.lobi.quantise import quantise_activation
from hola_plugins.lobi.scheme import Scheme, parse_scheme
from hola_plugins.lobi.structure import Group

Scores = dict[str, dict[str, float]]
"""Expected KL divergence in nats a token, by group, by name of the scheme."""


@computed_in_float32
def fisher_scores(
    model: Any,
    batches: Sequence[Batch],
    groups: Sequence[Group],
    allowed: Mapping[str, Sequence[str]],
    quantise: Quantiser,
    layers: str,
    seed: int,
) -> Scores:
    """Scores every group and scheme in one forward and backward pass over the batches, layer by layer.

    Args:
        model: The model; its weights need no gradients and get none.
        batches: Text to score on.
        groups: The groups.
        allowed: Names of the schemes that fit each group.
        quantise: How weights are rounded.
        layers: Name of the list of decoder layers.
        seed: Seed of the drawn labels.
    """
    scores: Scores = {group.name: dict.fromkeys(allowed[group.name], 0.0) for group in groups}
    generator = torch.Generator().manual_seed(seed)
    tokens = sum(int(batch.predicted.sum()) for batch in batches)
    hooks = [
        model.get_submodule(member).register_forward_hook(
            _on_output(
                member, [parse_scheme(name) for name in allowed[group.name]], scores[group.name], quantise
            )
        )
        for group in groups
        for member in group.members
    ]
    try:
        with layer_by_layer(model, layers):
            for batch in track(batches, "sensitivity", len(batches)):
                logits = batch.logits(model)
                drawn = torch.multinomial(
                    functional.softmax(logits.detach().cpu(), dim=-1), 1, generator=generator
                )
                functional.cross_entropy(logits, drawn[:, 0].to(logits.device), reduction="sum").backward()
    finally:
        for hook in hooks:
            hook.remove()
    return {
        group: {name: score / tokens for name, score in choices.items()} for group, choices in scores.items()
    }


def _on_output(
    name: str, schemes: Sequence[Scheme], into: dict[str, float], quantise: Quantiser
) -> Callable[[nn.Module, tuple[Any, ...], torch.Tensor], None]:
    """Makes the hook that waits for the gradient of a layer's output and adds to the scores."""

    def forward(module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        if not output.requires_grad:
            return
        values = inputs[0].detach()

        def backward(gradient: torch.Tensor) -> None:
            with torch.no_grad():
                plain = functional.linear(values.float(), weight_of(module).float())
                for scheme in schemes:
                    if scheme.kind != "none":
                        rounded = quantise(name, weight_of(module), scheme)
                        into[scheme.name] += _harm(values, gradient, plain, rounded, scheme)

        output.register_hook(backward)

    return forward


def _harm(
    values: torch.Tensor, gradient: torch.Tensor, plain: torch.Tensor, rounded: torch.Tensor, scheme: Scheme
) -> float:
    """Gives ½ Σ (g·δy)² over the tokens of a batch.

    Args:
        values: The layer's inputs, [..., input].
        gradient: The gradient of its outputs, [..., output].
        plain: Its outputs without bias, float32[..., output].
        rounded: Its weight as it comes back from the scheme, float32[output, input].
        scheme: The scheme.
    """
    error = functional.linear(quantise_activation(values, scheme).float(), rounded).sub_(plain)
    return 0.5 * float((gradient.float() * error).sum(-1).square().sum())


@computed_in_float32
def kl_scores(
    model: Any,
    batches: Sequence[Batch],
    groups: Sequence[Group],
    allowed: Mapping[str, Sequence[str]],
    quantise: Quantiser,
) -> Scores:
    """Measures the divergence of every group and scheme, one forward pass over the batches for each."""
    original = record(model, batches)
    scores: Scores = {group.name: {} for group in groups}
    pairs = [(group, name) for group in groups for name in allowed[group.name]]
    for group, name in track(pairs, "sensitivity by KL", len(pairs)):
        scheme = parse_scheme(name)
        if scheme.kind == "none":
            scores[group.name][name] = 0.0
            continue
        with quantised(model, dict.fromkeys(group.members, scheme), quantise):
            scores[group.name][name] = measure(model, batches, original).kl
    return scores
