"""From a target to a trained draft in a folder, in order: answers, cut, training, and what its passes cost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from hola_plugins.lobi.calibration import Calibration
from hola_plugins.lobi.candidate_cuts import candidate_cuts
from hola_plugins.lobi.compression import check_finite
from hola_plugins.lobi.config import LoBiConfig
from hola_plugins.lobi.cut import Cut, apply_cut, rebuild
from hola_plugins.lobi.draft.acceptance import Acceptance, measure_acceptance
from hola_plugins.lobi.draft.config import DraftConfig
from hola_plugins.lobi.draft.cost import Cost, measure_costs
from hola_plugins.lobi.draft.distillation import Learned, distil
from hola_plugins.lobi.draft.lesson import Lesson, hear_target
from hola_plugins.lobi.draft.shape import Extent, choose_shape
from hola_plugins.lobi.draft.source import DraftSource
from hola_plugins.lobi.draft.start import load_start
from hola_plugins.lobi.model_source import copy_generation_config, load_model, made_savable
from hola_plugins.lobi.provenance import provenance
from hola_plugins.lobi.saliency import lora_saliency
from hola_plugins.lobi.structure import Structure, read_structure

_SALIENCY_BATCHES = 16
"""Batches of answers that saliency is read from."""

_SALIENCY_RANK = 8
"""Rank of the factors that it is read from."""


@dataclass(slots=True)
class Made:
    """A draft that was made.

    Attributes:
        lesson: What it learned from and is measured on.
        extent: Its size.
        target: The target's.
        dtype: Of the target's checkpoint, and of the draft's as it was before it is quantised.
        cut: What remained of the target; None where a model was started from.
        kept_layers: Numbers of the target's layers that remain.
        before: Acceptance on the held-out answers before training.
        learned: What training did.
        costs: Of a pass of the draft and of its target, both in ``timed_in``.
        timed_in: Dtype in which they were timed: a draft's as it was before it is quantised.
        provenance: Where it came from, see `provenance`; device and dtype are those of the target.
        seconds: Time of each stage.
    """

    lesson: Lesson
    extent: Extent
    target: Extent
    dtype: torch.dtype
    cut: Cut | None
    kept_layers: list[int]
    before: Acceptance
    learned: Learned
    costs: tuple[Cost, Cost]
    timed_in: torch.dtype
    provenance: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)


def make_draft(
    source: DraftSource,
    config: DraftConfig,
    folder: Path,
    *,
    start: str | None = None,
    low: LoBiConfig | None = None,
    cache: Path | None = None,
    lesson: Lesson | None = None,
) -> Made:
    """Makes a draft and saves it with the target's tokenizer, in the dtype of the target's checkpoint.

    Args:
        source: The target and its prompts.
        config: The settings.
        folder: The folder that receives the draft.
        start: Path or hub id of a model with the target's tokenizer to train instead of cutting the target.
        low: The budget that the draft is quantised under afterwards, if it is: checked, not used.
        cache: Folder that keeps the target's answers; None keeps none.
        lesson: What the target said to these prompts before, where several drafts are made; None asks it.

    Raises:
        LoBiError: If the target cannot be cut to the size, the budget cannot be kept, or the start does not go with
            the target, or what is to be the draft cannot be saved, before any work.
    """
    seconds: dict[str, float] = {}
    target, dtype = load_model(source.model)
    check_finite(target)
    structure = read_structure(target)
    vocabulary = target.config.get_text_config().vocab_size
    given = load_start(start, source.tokenizer, vocabulary) if start else None
    cut = choose_shape(target, structure, config) if given is None else None
    if low is not None:
        _check_budget(low, target if given is None else given, cut, dtype)
    made_savable(target if given is None else given)
    with _timed(seconds, "answers"):
        lesson = lesson or hear_target(target, source, config, cache)
    with _timed(seconds, "cut"):
        kept = [] if cut is None else _cut(target, structure, lesson, cut, config)
    draft = target if given is None else given
    before = measure_acceptance(draft, lesson.held_out)
    with _timed(seconds, "training"):
        learned = _train(draft.float(), lesson, config)
    draft.to(dtype).save_pretrained(folder)
    copy_generation_config(start or source.model, folder)
    source.tokenizer.save_pretrained(folder)
    whole = target if given is not None else load_model(source.model)[0]
    draft_cost, target_cost = measure_costs([draft.to(whole.dtype), whole])
    return Made(
        lesson,
        Extent.of(draft),
        Extent.of(whole),
        dtype,
        cut,
        kept,
        before,
        learned,
        (draft_cost, target_cost),
        whole.dtype,
        _provenance(whole, lesson),
        seconds,
    )


def _check_budget(low: LoBiConfig, model: Any, cut: Cut | None, dtype: torch.dtype) -> None:
    """Refuses a budget that no plan keeps; sizes are those of what will be saved."""
    structure = read_structure(model)
    remains = cut or Cut(structure.mlps[0].width, None, structure.depth)
    trial = rebuild(model, structure, remains).to(dtype)
    candidate_cuts(trial, structure.first_layers(remains.layers), low)


def _cut(target: Any, structure: Structure, lesson: Lesson, cut: Cut, config: DraftConfig) -> list[int]:
    """Cuts the target in place; gives the numbers of the layers that remain."""
    some = lesson.fitting[:: max(1, len(lesson.fitting) // _SALIENCY_BATCHES)]
    saliency = lora_saliency(target, [batch.text for batch in some], structure, _SALIENCY_RANK, config.seed)
    return apply_cut(target, structure, saliency, cut)[1]


def _train(draft: Any, lesson: Lesson, config: DraftConfig) -> Learned:
    """Trains the draft in place."""
    return distil(
        draft,
        read_structure(draft),
        lesson.fitting,
        lesson.said,
        lambda model: measure_acceptance(model, lesson.checks).rate,
        config,
    )


def _provenance(target: Any, lesson: Lesson) -> dict[str, Any]:
    """Notes what was read: the target and its answers."""
    fitting, held_out = (
        tuple(batch.text for batch in answers) for answers in (lesson.fitting, lesson.held_out)
    )
    return provenance(target, Calibration(fitting, held_out))


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Notes the time of a stage."""
    began = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - began
