"""The report of a run as plain data, for JSON and for the page that draws it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from hola_plugins.lobi.checkpoint_bytes import weight_bytes
from hola_plugins.lobi.compression import Outcome
from hola_plugins.lobi.config import LoBiConfig, LoBiError
from hola_plugins.lobi.curve import expected_divergence, tradeoff
from hola_plugins.lobi.divergence import measure
from hola_plugins.lobi.guard import Measured
from hola_plugins.lobi.linear import weight_shape
from hola_plugins.lobi.provenance import provenance
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
        Data of strings, numbers, lists and dicts; sizes in bytes, divergences in nats a token. The chosen plan
        is the first of ``plans``. ``curve`` is empty where no report was asked for.
    """
    allocation = outcome.allocation
    return {
        "model": type(model).__name__,
        "name": str(getattr(model, "name_or_path", "") or ""),
        "settings": config.model_dump(exclude={"plan"}),
        "provenance": provenance(model, outcome.text),
        "original": {"bytes": outcome.original_bytes, **asdict(outcome.original_quality)},
        "predicted": {"bytes": size} | (_prediction(allocation) if allocation else {}),
        "unquantised": {"kl": _unquantised_divergence(model, outcome)},
        "allowed": {"bytes": _allowed_bytes(config, model, outcome)},
        "cut": outcome.cut and asdict(outcome.cut) | {"kept_layers": outcome.kept_layers},
        "recovery": outcome.recovery and asdict(outcome.recovery),
        "layers": _table(model, config, outcome),
        "plans": [_plan(one, allocation) for one in allocation.measured] if allocation else [],
        "curve": _curve(config, model, allocation) if allocation and config.report else [],
        "seconds": dict(outcome.seconds),
    }


def check_written(report: Mapping[str, Any], written: int) -> None:
    """Refuses a checkpoint that is larger than the budget allows.

    Args:
        report: The report of its run.
        written: Bytes of its weights on disk.

    Raises:
        LoBiError: If it is.
    """
    allowed = report["allowed"]["bytes"]
    if allowed is not None and written > allowed:
        raise LoBiError(
            f"the checkpoint of {report['model']} has {written} bytes where the budget allows {allowed} and "
            f"{report['predicted']['bytes']} were predicted, so it is not kept: layers of this model are stored "
            "otherwise than Lo-Bi knows; leave them out (ignore), or report the model"
        )


def _prediction(allocation: Allocation) -> dict[str, Any]:
    """Gives what the chosen plan is expected to do."""
    best = allocation.best
    score = expected_divergence(best.plan, allocation)
    found = {"origin": best.plan.origin, "bits": allocation.bits, "score": score, **asdict(best.quality)}
    return found | {"rounding": allocation.rounding}


def _unquantised_divergence(model: Any, outcome: Outcome) -> float:
    """Gives the divergence of the cut and recovered model on held-out text, before any bit is saved."""
    if outcome.recovery is not None:
        return outcome.recovery.after
    return 0.0 if outcome.cut is None else measure(model, outcome.text.held_out, outcome.original).kl


def _allowed_bytes(config: LoBiConfig, model: Any, outcome: Outcome) -> int | None:
    """Gives what the budget allows the file; where it is in bits, what it would allow the chosen plan."""
    allocation = outcome.allocation
    if not config.has_budget or (allocation is None and config.target_bits is not None):
        return None
    if allocation is not None and config.target_bits is not None:
        members = [member for group in allocation.groups for member in group.members]
        weights = sum(rows * columns for rows, columns in _shapes(model, members))
        return allocation.best.size + int((config.target_bits - allocation.bits) * weights / 8)
    return config.target_bytes or int((config.target_ratio or 1.0) * outcome.original_bytes)


def _curve(config: LoBiConfig, model: Any, allocation: Allocation) -> list[dict[str, Any]]:
    """Gives the points of size against expected divergence."""
    return [{"bytes": point.size, "score": point.score} for point in tradeoff(config, model, allocation)]


def _plan(one: Measured, allocation: Allocation) -> dict[str, Any]:
    """Gives one compared plan."""
    score = expected_divergence(one.plan, allocation)
    return {"origin": one.plan.origin, "bytes": one.size, "score": score, **asdict(one.quality)}


def _table(model: Any, config: LoBiConfig, outcome: Outcome) -> list[dict[str, Any]]:
    """Gives one row a group: what it is, what was kept, its scheme, bits, bytes and sensitivity."""
    scores = outcome.allocation.scores if outcome.allocation else {}
    schemes = _schemes(config, outcome)
    rows = []
    for group in outcome.structure.all_groups:
        name = schemes.get(group.name, UNQUANTISED)
        shapes = _shapes(model, group.members)
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
                "sensitivity": scores.get(group.name, {}),
            }
        )
    return rows


def _schemes(config: LoBiConfig, outcome: Outcome) -> Mapping[str, str]:
    """Gives the scheme's name by group: as allocated, or as a finished plan in the settings has it."""
    if outcome.allocation is not None:
        return outcome.allocation.best.plan.schemes
    by_layer = {layer: name for name, layers in (config.plan or {}).items() for layer in layers}
    return {
        group.name: by_layer[group.members[0]]
        for group in outcome.structure.all_groups
        if group.members[0] in by_layer
    }


def _shapes(model: Any, layers: Iterable[str]) -> list[tuple[int, int]]:
    """Gives the weights' shapes, output by input."""
    return [weight_shape(model.get_submodule(layer)) for layer in layers]
