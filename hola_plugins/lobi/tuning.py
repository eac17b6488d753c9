"""After quantisation: what can still move without a byte more is trained to say what the original says.

That is norms and biases, which stay in 16 bits; the scales of quantised layers; and, by LoRA under the rounding,
which of its levels each weight takes. The loss is the divergence from the original's logits on the fitting text; the
best step by held-out text is kept, and where none is better than before, nothing is changed.
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
from hola_plugins.lobi.precision import float32_on_cpu
from hola_plugins.lobi.recovery import Recovery
from hola_plugins.lobi.stand_in import StandIns, own_parameters, standing_in
from hola_plugins.lobi.training import train
from hola_plugins.lobi.tunable_layer import QuantisedLayer, TunableLayer, as_stored

logger = logging.getLogger(__name__)


def tune(
    model: Any,
    layers: Mapping[str, QuantisedLayer],
    text: Calibration,
    fitting: Sequence[Recorded],
    held_out: Sequence[Recorded],
    config: TuneConfig,
    seed: int,
) -> Recovery:
    """Trains a quantised model in place.

    Args:
        model: The model, as its host has quantised it.
        layers: Its quantised layers by name.
        text: Text for fitting and for measuring.
        fitting: What the original says to the fitting batches.
        held_out: What it says to the held-out ones.
        config: The settings.
        seed: Seed of the factors and of the order of rows.

    Returns:
        The divergence on held-out text before and after, and the step that was kept.
    """
    generator = torch.Generator().manual_seed(seed)
    vectors = _Vectors(model)
    tunable = {layer.module: TunableLayer(layer, config.rank, generator) for layer in layers.values()}
    with ExitStack() as stack:
        stack.enter_context(_plain_forwards(tunable))
        stack.enter_context(float32_on_cpu(model))
        stack.enter_context(inputs_rounded(model, {name: one.scheme for name, one in layers.items()}))
        stack.enter_context(standing_in(vectors.stand_ins()))
        stack.enter_context(standing_in({module: one.stand_ins for module, one in tunable.items()}))
        before = measure(model, text.held_out, held_out).kl

        def loss() -> torch.Tensor:
            some, original = draw_rows(text.fitting, fitting, generator)
            return original.divergence(some.logits(model)).mean()

        rates = vectors.rates(config.learning_rate)
        for one in tunable.values():
            rates += one.rates(config.learning_rate, config.level_rate)
        after, steps = train(
            "tuning", rates, loss, lambda: measure(model, text.held_out, held_out).kl, config, before
        )
    if steps:
        vectors.write()
        for one in tunable.values():
            one.write()
    changed = sum(one.changed() for one in tunable.values())
    logger.info("tuning: KL %.4g after step %d, %.4g before; %d weights moved", after, steps, before, changed)
    return Recovery(before, after, steps)


class _Vectors:
    """The parameters of one dimension, norms and biases, in float32."""

    def __init__(self, model: nn.Module) -> None:
        self._values: dict[nn.Module, dict[str, torch.Tensor]] = {}
        for module in model.modules():
            own = {
                name: parameter.detach().float().clone().requires_grad_()
                for name, parameter in own_parameters(module).items()
                if parameter is not None and parameter.dim() == 1 and not name.startswith("weight_")
            }
            if own:
                self._values[module] = own

    def rates(self, rate: float) -> list[tuple[torch.Tensor, float]]:
        """Gives the values with their learning rates, relative to their size."""
        return [
            (value, rate * (float(value.detach().square().mean().sqrt()) or 1.0))
            for own in self._values.values()
            for value in own.values()
        ]

    def stand_ins(self) -> dict[nn.Module, StandIns]:
        """Gives what modules compute with now: values as they are stored."""
        return {module: self._stand_ins(module) for module in self._values}

    def _stand_ins(self, module: nn.Module) -> StandIns:
        own = self._values[module]
        dtypes = {name: module.get_parameter(name).dtype for name in own}

        def make(one: nn.Module) -> dict[str, torch.Tensor | None]:
            stored = {name: as_stored(value, dtypes[name]) for name, value in own.items()}
            return own_parameters(one) | {
                name: value.to(getattr(one, name).dtype) for name, value in stored.items()
            }

        return make

    def write(self) -> None:
        """Writes the values into the model."""
        with torch.no_grad():
            for module, own in self._values.items():
                for name, value in own.items():
                    module.get_parameter(name).copy_(value)


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
