"""The plan of a finished run against the model and the settings that it is used with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hola_plugins.lobi.budget import Budget
from hola_plugins.lobi.checkpoint_bytes import Layout
from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiConfig, LoBiError
from hola_plugins.lobi.plan import Plan
from hola_plugins.lobi.quantisation_plan import allowed_schemes, quantisable_groups
from hola_plugins.lobi.scheme import UNQUANTISED
from hola_plugins.lobi.structure import Group, Structure

_REMEDY = "mend the plan, or leave it out: then a new one is made"


def check_plan(config: LoBiConfig, model: Any, structure: Structure, original_bytes: int) -> None:
    """Refuses a plan that does not go with the model or the other settings.

    Args:
        config: The settings, with a plan.
        model: The model, after any cut.
        structure: Its structure.
        original_bytes: Size of model.safetensors of the model as it came.

    Raises:
        LoBiError: If a layer is none of the model's, ignored, given twice, unlike one that is fused with it, or of a
            shape or family that its scheme does not fit.
        InfeasibleBudgetError: If the plan exceeds the budget.
    """
    plan = config.plan or {}
    twice = [
        layer for layer, count in Counter(one for row in plan.values() for one in row).items() if count > 1
    ]
    if twice:
        raise LoBiError(f"the plan has {twice[0]} more than once; {_REMEDY}")
    by_layer = {layer: name for name, layers in plan.items() for layer in layers}
    groups = quantisable_groups(model, structure, config.ignore)
    unknown = sorted(by_layer.keys() - {layer for group in groups for layer in group.members})
    if unknown:
        raise LoBiError(f"the plan has {unknown[0]}, which is ignored or no layer to quantise; {_REMEDY}")
    schemes = {group.name: _scheme(group, by_layer) for group in groups}
    layout = Layout(model)
    allowed = allowed_schemes(model, layout, groups, [*plan, UNQUANTISED], config.target_device)
    for group, name in schemes.items():
        if name not in allowed[group]:
            raise LoBiError(
                f"the plan has {group} in {name}, which fits {' or '.join(allowed[group])}; {_REMEDY}"
            )
    budget = Budget(config, layout, groups, allowed, original_bytes)
    if config.has_budget and not budget.fits(Plan("finished", schemes)):
        raise InfeasibleBudgetError(
            f"the plan makes {budget.size(Plan('finished', schemes))} bytes of {original_bytes}, at "
            f"{budget.bits(Plan('finished', schemes)):.4g} bits a weight, more than the budget; {_REMEDY}"
        )


def _scheme(group: Group, by_layer: Mapping[str, str]) -> str:
    """Gives the one scheme of a group's layers."""
    found = {by_layer.get(layer, UNQUANTISED) for layer in group.members}
    if len(found) > 1:
        raise LoBiError(
            f"the plan has {group.name}, which engines fuse, in {' and '.join(sorted(found))}; {_REMEDY}"
        )
    return found.pop()
