"""After quantisation: scales, norms and biases are trained to say what the original says; no byte is added.

The loss is the divergence from the original's logits on the fitting text. The best step by held-out text is kept,
and where none is better than before, nothing is changed. LoRA factors under the rounding, that let weights change
their level as well, brought nothing more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from hola_plugins.lobi.calibration import Calibration
from hola_plugins.lobi.config import TuneConfig
from hola_plugins.lobi.divergence import Recorded, draw_rows, measure
from hola_plugins.lobi.fake_quantisation import inputs_rounded
from hola_plugins.lobi.layer_by_layer import layer_by_layer
from hola_plugins.lobi.precision import float32_on_cpu
from hola_plugins.lobi.stand_in import standing_in
from hola_plugins.lobi.training import Improvement, train
from hola_plugins.lobi.tunable import QuantisedLayer, Scales, Vectors

logger = logging.getLogger(__name__)


def tune(
    model: Any,
    layers: Mapping[str, QuantisedLayer],
    path: str,
    text: Calibration,
    fitting: Sequence[Recorded],
    held_out: Sequence[Recorded],
    config: TuneConfig,
    seed: int,
) -> Improvement:
    """Trains a quantised model in place.

    Args:
        model: The model, as its host has quantised it.
        layers: Its quantised layers by name.
        path: Name of the list of decoder layers.
        text: Text for fitting and for measuring.
        fitting: What the original says to the fitting batches.
        held_out: What it says to the held-out ones.
        config: The settings.
        seed: Seed of the order of rows.

    Returns:
        The divergence on held-out text before and after, and the step that was kept.
    """
    order = torch.Generator().manual_seed(seed)
    vectors = {module: Vectors(module) for module in model.modules()}
    scales = {layer.module: Scales(layer) for layer in layers.values()}
    trained: list[Scales | Vectors] = [*vectors.values(), *scales.values()]

    def loss() -> torch.Tensor:
        some, original = draw_rows(text.fitting, fitting, order)
        return original.divergence(some.logits(model)).mean()

    with ExitStack() as stack:
        stack.enter_context(_plain_forwards(scales))
        stack.enter_context(float32_on_cpu(model))
        stack.enter_context(layer_by_layer(model, path))
        stack.enter_context(inputs_rounded(model, {name: layer.scheme for name, layer in layers.items()}))
        for parts in (vectors, scales):
            stack.enter_context(standing_in({module: part.stand_ins for module, part in parts.items()}))
        before = measure(model, text.held_out, held_out).kl
        rates = [(value, config.learning_rate * _size(value)) for part in trained for value in part.values]
        after, steps = train(
            "tuning", rates, loss, lambda: measure(model, text.held_out, held_out).kl, config, before
        )
    for part in trained if steps else []:
        part.write()
    logger.info("tuning: KL %.4g on held-out text after step %d, %.4g before", after, steps, before)
    return Improvement(before, after, steps)


def _size(values: torch.Tensor) -> float:
    """Gives the root mean square of values, 1 where all are 0."""
    return float(values.detach().square().mean().sqrt()) or 1.0


@contextmanager
def _plain_forwards(modules: Mapping[nn.Module, Any]) -> Iterator[None]:
    """Takes away what a host has put in place of layers' forward passes: its own rounding has no gradients."""
    kept = {module: vars(module).pop("forward", None) for module in modules}
    try:
        yield
    finally:
        for module, forward in kept.items():
            if forward is not None:
                module.forward = forward
