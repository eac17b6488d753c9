"""From a target to a trained draft in a folder, in order: answers, cut, training."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from hola_plugins.lobi.calibration import tokens_a_batch
from hola_plugins.lobi.candidate_cuts import candidate_cuts
from hola_plugins.lobi.compression import check_finite
from hola_plugins.lobi.config import LoBiConfig, LoBiError
from hola_plugins.lobi.cut import Cut, apply_cut, rebuild
from hola_plugins.lobi.divergence import Recorded, record
from hola_plugins.lobi.draft.acceptance import Acceptance, measure_acceptance
from hola_plugins.lobi.draft.answer_file import kept_answers
from hola_plugins.lobi.draft.answers import Answer, AnswerBatch, batch_answers
from hola_plugins.lobi.draft.config import DraftConfig
from hola_plugins.lobi.draft.distillation import Learned, distil
from hola_plugins.lobi.draft.shape import Extent, choose_shape
from hola_plugins.lobi.draft.source import DraftSource
from hola_plugins.lobi.model_source import is_quantised, read_tokenizer
from hola_plugins.lobi.saliency import lora_saliency
from hola_plugins.lobi.structure import Structure, read_structure

logger = logging.getLogger(__name__)

_RECORDED = 64
"""Tokens of the vocabulary that the target's distribution is recorded by; the others are one rest."""

_SALIENCY_BATCHES = 16
_SALIENCY_RANK = 8


@dataclass(slots=True)
class Lesson:
    """What the target says.

    Attributes:
        answers: Its answers to the prompts to learn from.
        fitting: The same as batches, a training step each.
        said: Its distributions over them.
        checks: Answers that training is measured on.
        held_out: Answers that only the finished draft is measured on.
    """

    answers: list[Answer]
    fitting: list[AnswerBatch]
    said: list[Recorded]
    checks: list[AnswerBatch]
    held_out: list[AnswerBatch]


@dataclass(slots=True)
class Made:
    """A draft that was made.

    Attributes:
        lesson: What it learned from and is measured on.
        extent: Its size.
        cut: What remained of the target; None where a model was started from.
        kept_layers: Numbers of the target's layers that remain.
        before: Acceptance on the held-out answers before training.
        learned: What training did.
        seconds: Time of each stage.
    """

    lesson: Lesson
    extent: Extent
    cut: Cut | None
    kept_layers: list[int]
    before: Acceptance
    learned: Learned
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
            the target, before any work.
    """
    seconds: dict[str, float] = {}
    target, dtype = load_model(source.model)
    check_finite(target)
    structure = read_structure(target)
    given = _load_start(start, source.tokenizer) if start else None
    cut = None if given else choose_shape(target, structure, config)
    if low is not None:
        _check_budget(low, target, structure, cut, given)
    with _timed(seconds, "answers"):
        lesson = lesson or _listen(target, source, config, cache)
    with _timed(seconds, "cut"):
        kept = [] if cut is None else _cut(target, structure, lesson, cut, config)
    draft = given or target
    before = measure_acceptance(draft, lesson.held_out)
    with _timed(seconds, "training"):
        learned = _train(draft.float(), lesson, config)
    draft.to(dtype).save_pretrained(folder)
    source.tokenizer.save_pretrained(folder)
    return Made(lesson, Extent.of(draft), cut, kept, before, learned, seconds)


def load_model(model: str) -> tuple[Any, torch.dtype]:
    """Loads a model in evaluation mode, on an accelerator where there is one, on a CPU in float32 unless quantised.

    Returns:
        The model, and the dtype of its checkpoint.
    """
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype="auto").eval()
    dtype = loaded.dtype
    if torch.accelerator.is_available():
        return loaded.to(torch.accelerator.current_accelerator()), dtype
    return loaded if is_quantised(loaded.config) else loaded.float(), dtype


def _check_budget(low: LoBiConfig, target: Any, structure: Structure, cut: Cut | None, given: Any) -> None:
    """Refuses a budget that no plan keeps."""
    if cut is None:
        candidate_cuts(given, read_structure(given), low)
    else:
        candidate_cuts(rebuild(target, structure, cut), structure.first_layers(cut.layers), low)


def _load_start(start: str, tokenizer: Any) -> Any:
    """Loads a model to start from, and refuses one of another vocabulary."""
    if read_tokenizer(start).get_vocab() != tokenizer.get_vocab():
        raise LoBiError(f"{start} has another vocabulary than the target: a draft must have its tokenizer")
    return load_model(start)[0]


def _listen(target: Any, source: DraftSource, config: DraftConfig, cache: Path | None) -> Lesson:
    """Has the target answer all prompts, and records its distributions over what the draft learns from."""
    prompts = [*source.fitting, *source.checks, *source.held_out]
    answers = kept_answers(cache, target, prompts, config.answer_tokens)
    fitting, rest = answers[: len(source.fitting)], answers[len(source.fitting) :]
    most = tokens_a_batch(target.config.get_text_config().vocab_size)
    steps = batch_answers(fitting, config.rows, most)
    return Lesson(
        answers=fitting,
        fitting=steps,
        said=record(target, [batch.text for batch in steps], _RECORDED),
        checks=_measured(rest[: len(source.checks)], most),
        held_out=_measured(rest[len(source.checks) :], most),
    )


def _measured(answers: Sequence[Answer], most: int) -> list[AnswerBatch]:
    """Stacks answers to measure on, and refuses those that leave nothing to guess."""
    batches = batch_answers(answers, len(answers), most)
    if not any(bool(batch.drafted.any()) for batch in batches):
        raise LoBiError(
            "the target ends its answers to the prompts kept for measuring at once: give prompts that it answers"
        )
    return batches


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


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Notes the time of a stage."""
    began = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - began
