"""How often a draft guesses the target: exact for greedy decoding, from one forward pass over the target's answers.

A greedy draft that has guessed right so far has read the very tokens that the target wrote. So the runs of agreement
between its likeliest tokens and an answer are what verification would accept, at any draft length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch

from hola_plugins.lobi.draft.answers import AnswerBatch
from hola_plugins.lobi.precision import computed_in_float32

LENGTHS = range(1, 9)
"""Draft lengths that are reported."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How a draft does on answers of the target.

    Attributes:
        rate: Share of the target's tokens that the draft guesses when it has read those before.
        lengths: Mean acceptance length by draft length K: tokens of a target step, the bonus token counted.
        tokens: Tokens that were guessed at.
    """

    rate: float
    lengths: dict[int, float]
    tokens: int


def measure_acceptance(model: Any, batches: Sequence[AnswerBatch]) -> Acceptance:
    """Measures a draft.

    Args:
        model: The draft.
        batches: Answers of the target with two tokens or more among them.
    """
    rows = agreements(model, batches)
    tokens = sum(len(row) for row in rows)
    rate = sum(sum(row) for row in rows) / tokens
    return Acceptance(rate, {length: tokens_a_step(rows, length) for length in LENGTHS}, tokens)


@computed_in_float32
def agreements(model: Any, batches: Sequence[AnswerBatch]) -> list[list[bool]]:
    """Tells, by answer and token, whether the draft's likeliest token is the target's."""
    found: list[list[bool]] = []
    with torch.no_grad():
        for batch in batches:
            guessed = batch.text.logits(model).argmax(-1).cpu() == batch.text.labels()
            drafted = guessed[batch.drafted[batch.text.predicted]]
            found += [row.tolist() for row in drafted.split(batch.drafted.sum(1).tolist())]
    return [row for row in found if row]


def tokens_a_step(rows: Sequence[Sequence[bool]], length: int) -> float:
    """Gives the mean tokens of a target step when ``length`` tokens are drafted for each.

    Args:
        rows: Agreement by token of each answer.
        length: Draft length K.

    Returns:
        Accepted tokens and one of the target's own, 1 to K + 1, over all steps; an answer's end cuts its last step.
    """
    tokens = steps = 0
    for row in rows:
        place = 0
        while place < len(row):
            accepted = sum(1 for _ in takewhile(bool, row[place : place + length]))
            place += accepted + 1
            steps += 1
        tokens += len(row)
    return tokens / steps
