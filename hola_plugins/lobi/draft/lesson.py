"""What a draft learns from and is measured on: the target's answers, and its distributions over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hola_plugins.lobi.calibration import tokens_a_batch
from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.divergence import Recorded, record
from hola_plugins.lobi.draft.answer_file import kept_answers
from hola_plugins.lobi.draft.answers import Answer, AnswerBatch, batch_answers
from hola_plugins.lobi.draft.config import DraftConfig
from hola_plugins.lobi.draft.source import DraftSource

_RECORDED = 64
"""Tokens of the vocabulary that the target's distribution is recorded by; the others are one rest."""


@dataclass(frozen=True, slots=True)
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


def hear_target(target: Any, source: DraftSource, config: DraftConfig, cache: Path | None) -> Lesson:
    """Has the target answer all prompts, and records its distributions over what the draft learns from.

    Args:
        target: The target.
        source: Its prompts.
        config: The settings.
        cache: Folder that keeps the answers; None keeps none.

    Raises:
        LoBiError: If prompts and answers do not fit the target's context, or it answers nothing.
    """
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
