"""What else a recipe does beside Lo-Bi: which modifiers it has, and whether they leave Lo-Bi's plan as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compressed_tensors.quantization import QuantizationScheme, QuantizationStatus
from llmcompressor.core import active_session
from llmcompressor.modifiers import Modifier

from hola_plugins.lobi.config import LoBiError


def other_modifiers(own: Modifier) -> list[Modifier]:
    """Lists the modifiers of the recipe that runs, of all its stages, without one's own."""
    return [one for one in active_session().lifecycle.recipe.modifiers if one is not own]


def check_first_quantiser(model: Any) -> None:
    """Refuses weights that are quantised, or that another modifier will quantise.

    Raises:
        LoBiError: If a layer's weights have a scheme.
    """
    for name, module, scheme in _schemes(model):
        if scheme is None or scheme.weights is None:
            continue
        status = getattr(module, "quantization_status", QuantizationStatus.INITIALIZED)
        if status != QuantizationStatus.INITIALIZED:
            raise LoBiError(
                f"{name} is quantised already (its status is {status.value}): load the model as it was before that"
            )
        raise _second_quantiser(name)


def check_plan_is_attached(model: Any, attached: Mapping[str, QuantizationScheme]) -> None:
    """Refuses a recipe of which another modifier quantises weights too, or takes a layer from Lo-Bi's plan.

    Args:
        model: The model.
        attached: The schemes that Lo-Bi's own modifiers attached, by layer.

    Raises:
        LoBiError: If a layer has another one.
    """
    for name, _, scheme in _schemes(model):
        if scheme is attached.get(name):
            continue
        if scheme is not None and scheme.weights is not None:
            raise _second_quantiser(name)
        if name in attached:
            raise LoBiError(
                f"a modifier behind LoBiModifier takes {name} out of its plan, as a QuantizationModifier with nothing "
                "but a kv_cache_scheme does, whose targets are all linear layers: put it before LoBiModifier"
            )


def _schemes(model: Any) -> Iterator[tuple[str, Any, QuantizationScheme | None]]:
    """Yields every module's name, the module and its scheme."""
    for name, module in model.named_modules():
        yield name, module, getattr(module, "quantization_scheme", None)


def _second_quantiser(name: str) -> LoBiError:
    return LoBiError(
        f"another modifier of the recipe quantises {name} too: leave it out, or put it behind a LoBiModifier "
        "without a budget"
    )
