"""How deep to cut: as asked, or the shallowest cuts of a grid that make the budget feasible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hola_plugins.lobi.checkpoint_bytes import checkpoint_bytes
from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiConfig, LoBiError, PruneConfig
from hola_plugins.lobi.cut import plan_cut, rebuild
from hola_plugins.lobi.ignored import check_every_layer
from hola_plugins.lobi.quantisation_plan import make_budget
from hola_plugins.lobi.structure import Structure

_EIGHTHS = (1, 2, 3, 4, 5, 6)
"""The grid of prune: auto, in eighths of the MLP channels."""

_TRIED = 2
"""Feasible points of that grid that are run to the end; at four bits and more, the shallowest are best."""


def candidate_cuts(model: Any, structure: Structure, config: LoBiConfig) -> list[PruneConfig]:
    """Gives the cuts to run: the one that is asked for, or for auto the shallowest that fit the budget.

    Args:
        model: The model; it is left as it is.
        structure: Its structure.
        config: The settings.

    Raises:
        LoBiError: If it cannot be made, or does not make the budget feasible.
    """
    original_bytes = checkpoint_bytes(model, {})
    if isinstance(config.prune, PruneConfig):
        _check_budget(model, structure, config, config.prune, original_bytes)
        return [config.prune]
    if config.plan is not None:
        raise LoBiError("a plan goes with the cut it was made for: give prune as numbers, not auto")
    found: list[PruneConfig] = []
    refused: LoBiError | None = None
    for prune in _grid(structure):
        try:
            _check_budget(model, structure, config, prune, original_bytes)
        except LoBiError as error:
            refused = error
            continue
        found.append(prune)
        if len(found) == _TRIED:
            break
    if not found:
        raise InfeasibleBudgetError(f"no cut makes the budget feasible; at the deepest one, {refused}")
    return found


def _check_budget(
    model: Any, structure: Structure, config: LoBiConfig, prune: PruneConfig, original_bytes: int
) -> None:
    """Refuses a cut that cannot be made, and a budget that it does not make feasible, before any work."""
    trial = model
    if prune.active:
        cut = plan_cut(model, structure, prune)
        if cut.layers < structure.depth:
            check_every_layer(model, structure, config.ignore)
        trial, structure = rebuild(model, structure, cut), structure.first_layers(cut.layers)
    if config.allocates:
        make_budget(config, trial, structure, original_bytes)


def _grid(structure: Structure) -> Iterator[PruneConfig]:
    """Yields the cuts to try, the shallowest first: channels, then layers as well.

    Key-value heads are left alone: at equal bytes they cost more than either (tests/benchmarks/lobi.md).
    """
    yield PruneConfig()
    width, multiple = structure.mlps[0].width, PruneConfig().multiple
    widths = dict.fromkeys(round(width * (8 - part) / 8 / multiple) * multiple for part in _EIGHTHS)
    cuts = [1 - kept / width for kept in widths if 0 < kept < width]
    yield from (PruneConfig(channels=cut) for cut in cuts)
    for layers in (0.25, 0.5):
        if structure.depth * layers >= 1:
            yield PruneConfig(channels=cuts[-1] if cuts else 0.0, layers=layers)
