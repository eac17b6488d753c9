"""The report of a run as plain data, for JSON and for the page that draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hola_plugins.lobi.budget import ceiling
from hola_plugins.lobi.checkpoint_bytes import Layout
from hola_plugins.lobi.compression import Outcome
from hola_plugins.lobi.config import LoBiConfig, LoBiError
from hola_plugins.lobi.curve import tradeoff
from hola_plugins.lobi.divergence import measure
from hola_plugins.lobi.guard import Measured
from hola_plugins.lobi.provenance import provenance
from hola_plugins.lobi.quantisation_plan import Allocation
from hola_plugins.lobi.scheme import SCHEMES, UNQUANTISED, Scheme, parse_scheme
from hola_plugins.lobi.structure import Group


def make_report(
    model: Any,
    config: LoBiConfig,
    outcome: Outcome,
    plan: Mapping[str, Sequence[str]],
    others: Sequence[str] = (),
    *,
    curve: bool,
) -> dict[str, Any]:
    """Collects what was done and what it is expected to cost.

    Args:
        model: The model after the cut, before it is quantised.
        config: The settings.
        outcome: What the stages did.
        plan: The quantised layers of each scheme.
        others: What else the recipe runs: names of modifiers.
        curve: Whether to solve for other sizes too; else ``curve`` is empty.

    Returns:
        Data of strings, numbers, lists and dicts; sizes in bytes, divergences in nats a token. ``decided`` holds
        what the settings left open, under their keys. The chosen plan is the first of ``plans``.
    """
    allocation, layout = outcome.allocation, Layout(model)
    schemes = {layer: parse_scheme(name) for name, layers in plan.items() for layer in layers}
    return {
        "model": type(model).__name__,
        "name": str(getattr(model, "name_or_path", "") or ""),
        "settings": config.model_dump(exclude={"plan"}),
        "other_modifiers": list(others),
        "decided": {"prune": outcome.prune.model_dump(), "plan": plan},
        "provenance": provenance(model, outcome.text),
        "original": {"bytes": outcome.original_bytes, **asdict(outcome.original_quality)},
        "predicted": (_prediction(allocation) if allocation else {}) | {"bytes": layout.size(schemes)},
        "unquantised": {"kl": _unquantised_divergence(model, outcome)},
        "allowed": {"bytes": _allowed_bytes(config, outcome)},
        "cut": outcome.cut and asdict(outcome.cut) | {"kept_layers": outcome.kept_layers},
        "recovery": outcome.recovery and asdict(outcome.recovery),
        "layers": [_row(group, schemes, layout, outcome) for group in outcome.structure.all_groups],
        "plans": [_plan(one, allocation) for one in allocation.measured] if allocation else [],
        "curve": _curve(allocation) if allocation and curve else [],
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
            f"{report['predicted']['bytes']} were predicted, so it is not kept: {_cause(report)}"
        )


def _cause(report: Mapping[str, Any]) -> str:
    """Gives the likely cause of bytes that the plan did not know, with the remedy."""
    others = report["other_modifiers"]
    if others:
        return (
            f"{', '.join(others)} of the recipe may have parted the head from the embedding, or added transforms or "
            "scales; put what quantises the KV cache before LoBiModifier, leave out the rest, or give a budget smaller "
            "by as much"
        )
    return "layers of this model are stored otherwise than Lo-Bi knows; leave them out (ignore), or report the model"


def check_numbers(report: Mapping[str, Any]) -> None:
    """Refuses a compressed model that says nothing.

    Args:
        report: The report of its run, with what was measured.

    Raises:
        LoBiError: If its logits on held-out text are no numbers.
    """
    if math.isfinite(report["measured"]["kl"]):
        return
    raise LoBiError(
        f"the logits of {report['model']} are no numbers after the run, so it is not kept: give the model in bfloat16 "
        "or float32, or take another quantizer"
    )


def _prediction(allocation: Allocation) -> dict[str, Any]:
    """Gives what the chosen plan is expected to do."""
    best = allocation.best
    bits = allocation.budget.bits(best.plan)
    return _plan(best, allocation) | {"bits": bits, "rounding": allocation.rounding}


def _unquantised_divergence(model: Any, outcome: Outcome) -> float:
    """Gives the divergence of the cut and recovered model on held-out text, before any bit is saved."""
    if outcome.recovery is not None:
        return outcome.recovery.after
    return 0.0 if outcome.cut is None else measure(model, outcome.text.held_out, outcome.original).kl


def _allowed_bytes(config: LoBiConfig, outcome: Outcome) -> int | None:
    """Gives what the budget allows the file; None where there is none in bytes and no plan was chosen under it."""
    if outcome.allocation is not None:
        return outcome.allocation.budget.allows(outcome.allocation.best.plan)
    return ceiling(config, outcome.original_bytes)


def _curve(allocation: Allocation) -> list[dict[str, Any]]:
    """Gives the points of size against expected divergence."""
    return [{"bytes": point.size, "score": point.score} for point in tradeoff(allocation)]


def _plan(one: Measured, allocation: Allocation) -> dict[str, Any]:
    """Gives one compared plan."""
    score = one.plan.score(allocation.scores)
    return {"origin": one.plan.origin, "bytes": one.size, "score": score, **asdict(one.quality)}


def _row(group: Group, schemes: Mapping[str, Scheme], layout: Layout, outcome: Outcome) -> dict[str, Any]:
    """Gives what a group is, what was kept of it, its scheme, bits, bytes and sensitivity."""
    scheme = schemes.get(group.members[0], SCHEMES[UNQUANTISED])
    size = layout.weight_bytes(group.members, scheme)
    return {
        "group": group.name,
        "layer": group.layer,
        "role": group.role,
        "shapes": [list(layout.shape(member)) for member in group.members],
        "saliency_kept": outcome.saliency_kept.get(group.members[0]),
        "scheme": scheme.name,
        "bytes": size,
        "bits": 8 * size / layout.weights(group.members),
        "sensitivity": outcome.allocation.scores.get(group.name, {}) if outcome.allocation else {},
    }
