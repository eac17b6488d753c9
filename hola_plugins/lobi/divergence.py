"""KL divergence from recorded logits: the distance that distillation, the guard and the report measure.

The original's distribution is recorded by its likeliest tokens and one rest, so that memory does not grow
with the vocabulary; the divergence over that partition is a lower bound of the full one, and equals it
where the vocabulary is no larger than what is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from hola_plugins.lobi.calibration import Batch
from hola_plugins.lobi.precision import computed_in_float32

_KEPT = 4096
_TINY = 1e-9
_ROWS_A_STEP = 8
"""Rows of a training step."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The original's distributions over one batch.

    Attributes:
        tokens: Likeliest tokens of each position, int32[n, kept]; None where all are kept, in order.
        log_probs: Their log-probabilities, float32[n, kept].
        rest: Probability of all others, float32[n, 1].
    """

    tokens: torch.Tensor | None
    log_probs: torch.Tensor
    rest: torch.Tensor

    def divergence(self, logits: torch.Tensor) -> torch.Tensor:
        """Gives the KL divergence of each position in nats, float32[n], from the recorded to ``logits``."""
        other = functional.log_softmax(logits, dim=-1)
        own = self.log_probs.to(logits.device)
        if self.tokens is not None:
            other = other.gather(-1, self.tokens.long().to(logits.device))
        found = (own.exp() * (own - other)).sum(-1)
        if self.tokens is None:
            return found
        rest = self.rest.to(logits.device)[:, 0]
        left = (1 - other.exp().sum(-1)).clamp(min=_TINY)
        return found + rest * (rest.clamp(min=_TINY).log() - left.log())

    def rows(self, batch: Batch, rows: torch.Tensor) -> Recorded:
        """Gives what was recorded for some rows of its batch, in their order."""
        place = torch.full(batch.predicted.shape, -1)
        place[batch.predicted] = torch.arange(len(self.log_probs))
        some = place[rows]
        wanted = some[some >= 0]
        tokens = None if self.tokens is None else self.tokens[wanted]
        return Recorded(tokens, self.log_probs[wanted], self.rest[wanted])


def draw_rows(
    batches: Sequence[Batch], recorded: Sequence[Recorded], order: torch.Generator
) -> tuple[Batch, Recorded]:
    """Draws a batch, and some rows of it, with what was recorded for them."""
    which = int(torch.randint(len(batches), (), generator=order))
    batch = batches[which]
    rows = torch.randperm(len(batch.ids), generator=order)[:_ROWS_A_STEP]
    return Batch(batch.ids[rows], batch.mask[rows]), recorded[which].rows(batch, rows)


@dataclass(frozen=True, slots=True)
class Quality:
    """How a model does on held-out text.

    Attributes:
        kl: Mean KL divergence from the original, in nats a token; infinite where logits are no numbers.
        perplexity: Perplexity of the text; likewise.
    """

    kl: float
    perplexity: float


@computed_in_float32
def record(model: Any, batches: Sequence[Batch], kept: int = _KEPT) -> list[Recorded]:
    """Records the model's distributions over every batch."""
    found = []
    with torch.no_grad():
        for batch in batches:
            log_probs = functional.log_softmax(batch.logits(model), dim=-1).cpu()
            if log_probs.shape[-1] <= kept:
                found.append(Recorded(None, log_probs, torch.zeros(len(log_probs), 1)))
                continue
            top = log_probs.topk(kept, dim=-1)
            rest = (1 - top.values.exp().sum(-1, keepdim=True)).clamp(min=0)
            found.append(Recorded(top.indices.int(), top.values, rest))
    return found


@computed_in_float32
def measure(model: Any, batches: Sequence[Batch], recorded: Sequence[Recorded]) -> Quality:
    """Measures a model against the recorded original."""
    divergence, loss, count = 0.0, 0.0, 0
    with torch.no_grad():
        for batch, original in zip(batches, recorded, strict=True):
            logits = batch.logits(model)
            labels = batch.labels().to(logits.device)
            divergence += float(original.divergence(logits).sum())
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            count += len(labels)
    if not math.isfinite(divergence + loss):
        return Quality(math.inf, math.inf)
    return Quality(max(0.0, divergence / count), math.exp(min(loss / count, 700.0)))
