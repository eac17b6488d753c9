"""The report of a run as plain data, for JSON and for whoever draws it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hola_plugins.lobi.checkpoint_bytes import weight_bytes
from hola_plugins.lobi.compression import Outcome
from hola_plugins.lobi.config import LoBiConfig
from hola_plugins.lobi.divergence import Quality
from hola_plugins.lobi.linear import weight_shape
from hola_plugins.lobi.quantisation_plan import Allocation
from hola_plugins.lobi.scheme import UNQUANTISED, parse_scheme


def make_report(model: Any, config: LoBiConfig, outcome: Outcome, size: int) -> dict[str, Any]:
    """Collects what was done and what it is expected to cost.

    Args:
        model: The model after the cut, before it is quantised.
        config: The settings.
        outcome: What the stages did.
        size: Predicted bytes of model.safetensors.

    Returns:
        Data of strings, numbers, lists and dicts; sizes in bytes, divergences in nats a token.
    """
    allocation = outcome.allocation
    return {
        "model": type(model).__name__,
        "settings": config.model_dump(exclude={"plan"}),
        "original": {"bytes": outcome.original_bytes, **asdict(outcome.original_quality)},
        "predicted": {"bytes": size} | (_prediction(allocation) if allocation else {}),
        "cut": outcome.cut and asdict(outcome.cut) | {"kept_layers": outcome.kept_layers},
        "recovery": outcome.recovery and asdict(outcome.recovery),
        "layers": _table(model, outcome),
        "plans": []
        if allocation is None
        else [_row(one.plan.origin, one.size, one.quality) for one in allocation.measured],
        "seconds": outcome.seconds,
    }


def _prediction(allocation: Allocation) -> dict[str, Any]:
    """Gives what the chosen plan is expected to do."""
    best = allocation.best
    score = sum(allocation.scores[group][name] for group, name in best.plan.schemes.items())
    return {"origin": best.plan.origin, "bits": allocation.bits, "score": score, **asdict(best.quality)}


def _row(origin: str, size: int, quality: Quality) -> dict[str, Any]:
    """Gives one compared plan."""
    return {"origin": origin, "bytes": size, **asdict(quality)}


def _table(model: Any, outcome: Outcome) -> list[dict[str, Any]]:
    """Gives one row a group: what it is, what was kept, its scheme, bits, bytes and sensitivity."""
    allocation = outcome.allocation
    schemes = allocation.best.plan.schemes if allocation else {}
    rows = []
    for group in outcome.structure.all_groups:
        name = schemes.get(group.name, UNQUANTISED)
        shapes = [weight_shape(model.get_submodule(member)) for member in group.members]
        size = weight_bytes(model, group.members, parse_scheme(name))
        rows.append(
            {
                "group": group.name,
                "layer": group.layer,
                "role": group.role,
                "shapes": [list(shape) for shape in shapes],
                "saliency_kept": outcome.saliency_kept.get(group.members[0])
                if len(group.members) == 1
                else None,
                "scheme": name,
                "bytes": size,
                "bits": 8 * size / sum(rows * columns for rows, columns in shapes),
                "sensitivity": allocation.scores.get(group.name, {}) if allocation else {},
            }
        )
    return rows
