"""The stages in order: check, cut, recover, allocate; where several cuts may do, for each of them."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from hola_plugins.lobi.calibration import Calibration, read_calibration
from hola_plugins.lobi.candidate_cuts import candidate_cuts
from hola_plugins.lobi.checkpoint_bytes import checkpoint_bytes
from hola_plugins.lobi.config import LoBiConfig, LoBiError, PruneConfig
from hola_plugins.lobi.cut import Cut, apply_cut, plan_cut
from hola_plugins.lobi.divergence import Quality, Recorded, measure, record
from hola_plugins.lobi.finished_plan import check_plan
from hola_plugins.lobi.ignored import check_ignore
from hola_plugins.lobi.model_source import check_dense, check_unquantised
from hola_plugins.lobi.quantisation_plan import Allocation, allocate_bits
from hola_plugins.lobi.recovery import keep_adapter, recover
from hola_plugins.lobi.saliency import lora_saliency
from hola_plugins.lobi.saved_tensors import is_offloaded, saved_tensors
from hola_plugins.lobi.structure import Structure, read_structure
from hola_plugins.lobi.training import Improvement

logger = logging.getLogger(__name__)

_FITTING_KEPT = 512
"""Tokens of the vocabulary recorded for distillation."""


@dataclass(slots=True)
class Outcome:
    """What the stages did to a model.

    Attributes:
        structure: The model's structure now.
        text: The calibration text.
        original: What the model as it came says to the held-out text.
        fitting: What it says to the fitting text; empty where nothing is distilled from it.
        original_bytes: Size of its model.safetensors.
        original_quality: How it does on the held-out text.
        prune: The cut that was made, as fractions.
        cut: The same as sizes; None for none.
        kept_layers: Numbers that the remaining layers had, where some were cut.
        saliency_kept: Share of saliency kept, by output layer of each block.
        recovery: What recovery did; None where it did not run.
        allocation: The plan; None without a budget.
        seconds: Time of each stage.
    """

    structure: Structure
    text: Calibration
    original: list[Recorded]
    fitting: list[Recorded]
    original_bytes: int
    original_quality: Quality
    prune: PruneConfig = field(default_factory=PruneConfig)
    cut: Cut | None = None
    kept_layers: list[int] = field(default_factory=list)
    saliency_kept: dict[str, float] = field(default_factory=dict)
    recovery: Improvement | None = None
    allocation: Allocation | None = None
    seconds: dict[str, float] = field(default_factory=dict)


def compress(model: Any, loader: Any, config: LoBiConfig, kept: Sequence[Any] | None = None) -> Outcome:
    """Runs all stages but the quantisation itself; the model is cut and recovered in place.

    Args:
        model: A causal language model of transformers.
        loader: Calibration data, see `read_calibration`.
        config: The settings.
        kept: Rows that were kept for measuring, which the loader does not give; None keeps some that it gives.

    Raises:
        LoBiError: If the model, the data or the budget cannot be handled, before any change.
    """
    name = str(model.config.name_or_path or type(model).__name__)
    check_unquantised(model.config, name)
    check_dense(model.config, name)
    check_finite(model)
    _check_in_memory(model, config)
    vocabulary = model.config.get_text_config().vocab_size
    text = read_calibration(loader, config.samples, config.held_out, vocabulary, kept)
    structure = read_structure(model)
    check_ignore(model, config.ignore)
    cuts = candidate_cuts(model, structure, config)
    original = record(model, text.held_out)
    quality = measure(model, text.held_out, original)
    fitting = record(model, text.fitting, _FITTING_KEPT) if _distils(config, cuts) else []
    start = Outcome(structure, text, original, fitting, checkpoint_bytes(model, {}), quality)
    run = _search(model, start, config, cuts) if len(cuts) > 1 else _run(model, start, config, cuts[0])
    if config.lora.adapter is not None and not (run.recovery and run.recovery.steps):
        logger.warning("no adapter is kept: nothing was recovered, or that did not help and was taken back")
    return run


def check_finite(model: Any) -> None:
    """Refuses weights that are not finite.

    Raises:
        LoBiError: If there is one.
    """
    for name, tensor in saved_tensors(model):
        if not bool(torch.isfinite(tensor).all()):
            raise LoBiError(f"{name} holds NaN or infinity: the checkpoint is damaged, load another")


def _check_in_memory(model: Any, config: LoBiConfig) -> None:
    """Refuses to change weights that lie elsewhere."""
    if config.changes_weights and any(is_offloaded(module) for module in model.modules()):
        raise LoBiError(
            f"prune and recovery change the weights of {type(model).__name__}, of which some are offloaded: load "
            "it into one memory (hola compress: a larger --memory), or leave out prune; scores and quantisation work "
            "layer by layer"
        )


def _run(model: Any, start: Outcome, config: LoBiConfig, prune: PruneConfig) -> Outcome:
    """Runs the stages at one depth of the cut."""
    outcome = copy.copy(start)
    outcome.prune, outcome.seconds = prune, {}
    if prune.active:
        _cut(model, outcome, config)
    if config.plan is not None:
        check_plan(config, model, outcome.structure, outcome.original_bytes)
    if _recovers(config, prune):
        _recover(model, outcome, config)
    if config.allocates:
        outcome.allocation = allocate_bits(
            config, model, outcome.structure, outcome.text, outcome.original, outcome.original_bytes
        )
        outcome.seconds |= outcome.allocation.seconds
    return outcome


def _cut(model: Any, outcome: Outcome, config: LoBiConfig) -> None:
    """Cuts the model and notes what was cut."""
    began = time.perf_counter()
    outcome.cut = plan_cut(model, outcome.structure, outcome.prune)
    saliency = lora_saliency(model, outcome.text.fitting, outcome.structure, config.lora.rank, config.seed)
    outcome.saliency_kept, outcome.kept_layers = apply_cut(model, outcome.structure, saliency, outcome.cut)
    outcome.structure = read_structure(model)
    outcome.seconds["pruning"] = time.perf_counter() - began


def _recovers(config: LoBiConfig, prune: PruneConfig) -> bool:
    """Tells whether LoRA recovers the model after this cut."""
    return config.lora.steps > 0 and prune.active


def _distils(config: LoBiConfig, cuts: Sequence[PruneConfig]) -> bool:
    """Tells whether anything is trained on what the original says."""
    tunes = config.tune.steps > 0 and (config.allocates or config.plan is not None)
    return tunes or any(_recovers(config, prune) for prune in cuts)


def _recover(model: Any, outcome: Outcome, config: LoBiConfig) -> None:
    """Recovers the model and notes how far."""
    began = time.perf_counter()
    outcome.recovery = recover(
        model, outcome.structure, outcome.text, outcome.fitting, outcome.original, config.lora, config.seed
    )
    outcome.seconds["recovery"] = time.perf_counter() - began


def _search(model: Any, start: Outcome, config: LoBiConfig, cuts: Sequence[PruneConfig]) -> Outcome:
    """Runs each cut on a copy of the model, and takes the one whose plan is best."""
    tried: list[tuple[float, Any, Outcome, Path]] = []
    with TemporaryDirectory() as spare:
        for number, prune in enumerate(cuts):
            trial, adapter = copy.deepcopy(model), Path(spare, str(number))
            outcome = _run(trial, start, with_adapter(config, adapter), prune)
            if outcome.allocation is not None:
                tried.append((outcome.allocation.best.quality.kl, trial, outcome, adapter))
                logger.info("cut %s: KL %.4g on held-out text", prune, tried[-1][0])
        _, best, outcome, adapter = min(tried, key=lambda one: one[0])
        if adapter.is_dir():
            keep_adapter(adapter, config.lora.adapter)
    if outcome.prune.active:
        again = copy.copy(start)
        again.prune, again.seconds = outcome.prune, {}
        _cut(model, again, config)
    model.load_state_dict(best.state_dict())
    return outcome


def with_adapter(config: LoBiConfig, folder: Path) -> LoBiConfig:
    """Gives settings under which an adapter, where one is to be kept, goes to this folder."""
    if config.lora.adapter is None:
        return config
    return config.model_copy(update={"lora": config.lora.model_copy(update={"adapter": str(folder)})})
