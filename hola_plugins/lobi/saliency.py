"""Which channels, heads and layers matter, read from the gradients of LoRA factors alone.

LoRAPrune (Zhang et al., arXiv 2305.18403, section 3): with W frozen and LoRA factors B and A, the gradient
of the merged weight W + BA is estimated as ĝ = ∂B·A + B·∂A - ∂B·∂A, and a weight's importance as
(ĝ·(W + BA))². No gradient of a full weight and no optimiser state is kept. Here B is 0 and A is drawn anew
for every batch with orthogonal rows, so that the estimate is the gradient on a random subspace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hola_plugins.lobi.calibration import Batch
from hola_plugins.lobi.layer_by_layer import layer_by_layer
from hola_plugins.lobi.linear import weight_of, weight_shape
from hola_plugins.lobi.precision import computed_in_float32
from hola_plugins.lobi.progress import track
from hola_plugins.lobi.structure import Structure


@dataclass(frozen=True, slots=True)
class Saliency:
    """Mean importance of a layer's weights, summed along each side.

    Attributes:
        outputs: By output channel, float32[output].
        inputs: By input channel, float32[input].
    """

    outputs: torch.Tensor
    inputs: torch.Tensor


def estimate_gradient(
    b: torch.Tensor, a: torch.Tensor, gradient_b: torch.Tensor, gradient_a: torch.Tensor
) -> torch.Tensor:
    """Estimates the gradient of W + BA from those of the factors.

    Args:
        b: B, [output, rank].
        a: A, [rank, input].
        gradient_b: Gradient of B.
        gradient_a: Gradient of A.

    Returns:
        ĝ = ∂B·A + B·∂A - ∂B·∂A, [output, input].
    """
    return gradient_b @ a + b @ gradient_a - gradient_b @ gradient_a


@computed_in_float32
def lora_saliency(
    model: Any, batches: Sequence[Batch], structure: Structure, rank: int, seed: int
) -> dict[str, Saliency]:
    """Estimates the importance of all weights of the decoder layers.

    Args:
        model: The model; its weights get no gradients.
        batches: Text, whose next tokens are the loss.
        structure: The model's structure.
        rank: Rank of the factors.
        seed: Seed of the factors.

    Returns:
        The saliency by name of linear layer, averaged over the batches.
    """
    generator = torch.Generator().manual_seed(seed)
    names = structure.linear_names
    totals = {
        name: Saliency(torch.zeros(rows), torch.zeros(columns))
        for name in names
        for rows, columns in [weight_shape(model.get_submodule(name))]
    }
    for batch in track(batches, "saliency", len(batches)):
        probes = {name: _Probe(model.get_submodule(name), rank, generator) for name in names}
        try:
            with layer_by_layer(model, structure.layers):
                logits = batch.logits(model)
                functional.cross_entropy(logits, batch.labels().to(logits.device)).backward()
            for name, probe in probes.items():
                importance = probe.importance().cpu() / len(batches)
                totals[name].outputs.add_(importance.sum(1))
                totals[name].inputs.add_(importance.sum(0))
        finally:
            for probe in probes.values():
                probe.remove()
    return totals


class _Probe:
    """LoRA factors beside a linear layer: its output gains B·A·x, with B = 0."""

    def __init__(self, module: nn.Module, rank: int, generator: torch.Generator) -> None:
        rows, columns = weight_shape(module)
        device = module.get_parameter("weight").device
        draw = torch.randn(columns, min(rank, columns), generator=generator)
        self._a = torch.linalg.qr(draw).Q.T.contiguous().to(device).requires_grad_()
        self._b = torch.zeros(rows, self._a.shape[0], device=device, requires_grad=True)
        self._module = module
        self._hook = module.register_forward_hook(self._add())

    def _add(self) -> Callable[[nn.Module, tuple[Any, ...], torch.Tensor], torch.Tensor]:
        def hook(_: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
            low = functional.linear(inputs[0].to(self._a.dtype), self._a)
            return output + functional.linear(low, self._b).to(output.dtype)

        return hook

    def importance(self) -> torch.Tensor:
        """Gives (ĝ·(W + BA))², float32[output, input]."""
        gradient_b, gradient_a = self._b.grad, self._a.grad
        if gradient_b is None or gradient_a is None:
            raise RuntimeError(f"no gradient reached the factors of {self._module}")
        with torch.no_grad():
            merged = weight_of(self._module).float() + self._b @ self._a
            return (estimate_gradient(self._b, self._a, gradient_b, gradient_a) * merged).square()

    def remove(self) -> None:
        """Takes the factors away."""
        self._hook.remove()
