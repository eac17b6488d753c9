"""The stages in order: check, cut, recover, allocate; and the search of how deep to cut under a budget."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from hola_plugins.lobi.calibration import Calibration, read_calibration
from hola_plugins.lobi.checkpoint_bytes import checkpoint_bytes
from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiConfig, LoBiError, PruneConfig
from hola_plugins.lobi.cut import Cut, apply_cut, plan_cut, rebuild
from hola_plugins.lobi.divergence import Quality, Recorded, measure, record
from hola_plugins.lobi.quantisation_plan import Allocation, allocate_bits, make_budget
from hola_plugins.lobi.recovery import Recovery, recover
from hola_plugins.lobi.saliency import lora_saliency
from hola_plugins.lobi.structure import Structure, read_structure

logger = logging.getLogger(__name__)

_FITTING_KEPT = 512
"""Tokens of the vocabulary recorded for distillation."""

_EIGHTHS = (1, 2, 3, 4, 5, 6)
"""The grid of prune: auto, in eighths of the MLP channels."""

_TRIED = 2
"""Feasible points of that grid that are run to the end; at four bits and more, the shallowest are best."""


@dataclass(slots=True)
class Outcome:
    """What the stages did to a model.

    Attributes:
        structure: The model's structure now.
        text: The calibration text.
        original: What the model as it came says to the held-out text.
        original_bytes: Size of its model.safetensors.
        original_quality: How it does on the held-out text.
        prune: The cut that was made, as fractions.
        cut: The same as sizes; None for none.
        saliency_kept: Share of saliency kept, by output layer of each block.
        recovery: What recovery did; None where it did not run.
        allocation: The plan; None without a budget.
        seconds: Time of each stage.
    """

    structure: Structure
    text: Calibration
    original: list[Recorded]
    original_bytes: int
    original_quality: Quality
    prune: PruneConfig = field(default_factory=PruneConfig)
    cut: Cut | None = None
    saliency_kept: dict[str, float] = field(default_factory=dict)
    recovery: Recovery | None = None
    allocation: Allocation | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def compress(model: Any, loader: Any, config: LoBiConfig, *, may_drop_layers: bool = True) -> Outcome:
    """Runs all stages but the quantisation itself; the model is cut and recovered in place.

    Args:
        model: A causal language model of transformers.
        loader: Calibration data, see `read_calibration`.
        config: The settings.
        may_drop_layers: Whether the host can go on with fewer layers.

    Raises:
        LoBiError: If the model, the data or the budget cannot be handled, before any change.
    """
    check_finite(model)
    text = read_calibration(loader, config.samples, config.held_out)
    structure = read_structure(model)
    original = record(model, text.held_out)
    start = Outcome(
        structure, text, original, checkpoint_bytes(model, {}), measure(model, text.held_out, original)
    )
    if config.plan is not None and config.prune == "auto":
        raise LoBiError("a plan goes with the cut it was made for: give prune as numbers, not auto")
    if not isinstance(config.prune, PruneConfig):
        return _search(model, start, config, may_drop_layers)
    if config.prune.layers > 0 and not may_drop_layers:
        raise LoBiError(
            f"whole layers of {type(model).__name__} cannot be cut: llmcompressor puts its norms back by "
            "layer number afterwards; set prune.layers to 0"
        )
    return _run(model, start, config, config.prune)


def check_finite(model: Any) -> None:
    """Refuses weights that are not finite.

    Raises:
        LoBiError: If there is one.
    """
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise LoBiError(f"{name} holds NaN or infinity: the checkpoint is damaged, load another")


def _run(model: Any, start: Outcome, config: LoBiConfig, prune: PruneConfig) -> Outcome:
    """Runs the stages at one depth of the cut."""
    outcome = copy.copy(start)
    outcome.prune, outcome.seconds = prune, {}
    _check_budget(model, start, config, prune)
    recovers = config.lora.steps > 0 and (prune.active or config.lora.when == "always")
    fitting = record(model, start.text.fitting, _FITTING_KEPT) if recovers else []
    if prune.active:
        _cut(model, outcome, config)
    if recovers:
        _recover(model, outcome, config, fitting)
    if config.allocates:
        began = time.perf_counter()
        outcome.allocation = allocate_bits(
            config, model, outcome.structure, outcome.text, outcome.original, outcome.original_bytes
        )
        outcome.seconds["allocation"] = time.perf_counter() - began
    return outcome


def _check_budget(model: Any, start: Outcome, config: LoBiConfig, prune: PruneConfig) -> None:
    """Refuses a cut that cannot be made, and a budget that it does not make feasible, before any work."""
    structure, trial = start.structure, model
    if prune.active:
        cut = plan_cut(model, structure, prune)
        trial, structure = rebuild(model, structure, cut), structure.first_layers(cut.layers)
    if config.allocates:
        make_budget(config, trial, structure, start.original_bytes)


def _cut(model: Any, outcome: Outcome, config: LoBiConfig) -> None:
    """Cuts the model and notes what was cut."""
    began = time.perf_counter()
    outcome.cut = plan_cut(model, outcome.structure, outcome.prune)
    saliency = lora_saliency(model, outcome.text.fitting, outcome.structure, config.lora.rank, config.seed)
    outcome.saliency_kept = apply_cut(model, outcome.structure, saliency, outcome.cut)
    outcome.structure = read_structure(model)
    outcome.seconds["pruning"] = time.perf_counter() - began


def _recover(model: Any, outcome: Outcome, config: LoBiConfig, fitting: Sequence[Recorded]) -> None:
    """Recovers the model and notes how far."""
    began = time.perf_counter()
    outcome.recovery = recover(
        model, outcome.structure, outcome.text, fitting, outcome.original, config.lora, config.seed
    )
    outcome.seconds["recovery"] = time.perf_counter() - began


def _search(model: Any, start: Outcome, config: LoBiConfig, may_drop_layers: bool) -> Outcome:
    """Finds how deep to cut: the shallowest feasible points of the grid, each run on a copy of the model."""
    tried: list[tuple[float, Any, Outcome]] = []
    refused: LoBiError | None = None
    for prune in _grid(start.structure, may_drop_layers):
        try:
            _check_budget(model, start, config, prune)
        except LoBiError as error:
            refused = error
            continue
        trial = copy.deepcopy(model)
        outcome = _run(trial, start, config, prune)
        if outcome.allocation is not None:
            tried.append((outcome.allocation.best.quality.kl, trial, outcome))
            logger.info("cut %s: KL %.4g on held-out text", prune, tried[-1][0])
        if len(tried) == _TRIED:
            break
    if not tried:
        raise InfeasibleBudgetError(f"no cut makes the budget feasible; at the deepest one, {refused}")
    _, best, outcome = min(tried, key=lambda one: one[0])
    if outcome.prune.active:
        again = copy.copy(start)
        again.prune, again.seconds = outcome.prune, {}
        _cut(model, again, config)
        model.load_state_dict(best.state_dict())
    return outcome


def _grid(structure: Structure, may_drop_layers: bool) -> Iterator[PruneConfig]:
    """Yields the cuts to try, the shallowest first: channels, then layers as well."""
    yield PruneConfig()
    width, multiple = structure.mlps[0].width, PruneConfig().multiple
    widths = dict.fromkeys(round(width * (8 - part) / 8 / multiple) * multiple for part in _EIGHTHS)
    cuts = [1 - kept / width for kept in widths if 0 < kept < width]
    yield from (PruneConfig(channels=cut) for cut in cuts)
    for layers in (0.25, 0.5):
        if may_drop_layers and structure.depth * layers >= 1:
            yield PruneConfig(channels=cuts[-1] if cuts else 0.0, layers=layers)
