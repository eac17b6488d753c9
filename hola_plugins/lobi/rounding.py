"""How scores and guard round: as GPTQ does where it makes the checkpoint, and what it needs can be held."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

from hola_plugins.lobi.config import LoBiConfig
from hola_plugins.lobi.linear import weight_shape
from hola_plugins.lobi.saved_tensors import is_offloaded

logger = logging.getLogger(__name__)

_MOST_BYTES = 8 << 30
"""Bytes of input statistics and rounded weights up to which plans are rounded as GPTQ does."""

_FEWEST_CHOICES = 2
"""With fewer there is nothing to choose."""

Rounding = Literal["gptq", "nearest"]
"""How weights are rounded while plans are scored and compared."""


def choose_rounding(config: LoBiConfig, model: Any, layers: Sequence[str]) -> Rounding:
    """Chooses the rounding; a warning says where it is not that of the checkpoint.

    Args:
        config: The settings.
        model: The model, after any cut.
        layers: Names of the layers that plans cover.
    """
    if config.quantizer != "gptq":
        return "nearest"
    hindrance = _hindrance(config, model, layers)
    if hindrance is None:
        return "gptq"
    logger.warning(
        "plans are scored and compared with weights rounded to nearest, though GPTQ makes the checkpoint, so the one "
        "that is chosen may not be the best: %s",
        hindrance,
    )
    return "nearest"


def _hindrance(config: LoBiConfig, model: Any, layers: Sequence[str]) -> str | None:
    """Says why plans cannot be rounded as GPTQ does, and the remedy; None where they can.

    Statistics are held for all layers at once, so beside a model that does not fit itself they do not either.
    """
    if any(is_offloaded(module) for module in model.modules()):
        return "some of its weights are offloaded; give it more memory (hola compress: a larger --memory)"
    shapes = [weight_shape(model.get_submodule(layer)) for layer in layers]
    statistics = sum(4 * columns * columns for _, columns in shapes)
    weights = sum(rows * columns for rows, columns in shapes)
    held = statistics + weights * len(config.scheme_names)
    if held <= _MOST_BYTES:
        return None
    fitting = (_MOST_BYTES - statistics) // weights
    remedy = (
        f"give at most {fitting} choices"
        if fitting >= _FEWEST_CHOICES
        else "the model is too large for any choices"
    )
    return f"what GPTQ needs takes {held:,} bytes, and at most {_MOST_BYTES:,} are held; {remedy}"
