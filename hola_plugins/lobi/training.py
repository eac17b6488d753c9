"""A short training that keeps the best by a measurement: AdamW along a cosine, smaller steps after a step back."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from hola_plugins.lobi.progress import track

logger = logging.getLogger(__name__)

_SMALLER = 0.3
"""What learning rates are multiplied by after a step back."""


class Schedule(Protocol):
    """How long to train."""

    @property
    def steps(self) -> int:
        """Most optimiser steps."""

    @property
    def check_every(self) -> int:
        """Steps between measurements."""

    @property
    def patience(self) -> int:
        """Measurements without improvement, steps back, after which training stops."""


@dataclass(frozen=True, slots=True)
class Improvement:
    """What a training did for the divergence.

    Attributes:
        before: KL divergence on held-out text without it.
        after: The same with it; equal where it did not help and was taken back.
        steps: The optimiser step that was kept; 0 for none.
    """

    before: float
    after: float
    steps: int


def train(
    what: str,
    rates: Sequence[tuple[torch.Tensor, float]],
    loss: Callable[[], torch.Tensor],
    measure: Callable[[], float],
    schedule: Schedule,
    best: float = math.inf,
) -> tuple[float, int]:
    """Trains parameters in place and leaves them as they were at the best measurement.

    Args:
        what: The words in front of the progress bar.
        rates: Each parameter with its peak learning rate.
        loss: Gives the loss of one step.
        measure: Gives what is to become small.
        schedule: How long to train.
        best: The measurement before any step.

    Returns:
        The best measurement, and the step it was made after; 0 where none was better than ``best``.
    """
    parameters = [parameter for parameter, _ in rates]
    optimiser = torch.optim.AdamW(
        [{"params": [parameter], "lr": rate} for parameter, rate in rates], weight_decay=0.0
    )
    kept, best_step, stale = _copies(parameters), 0, 0

    def share(step: int) -> float:
        return _SMALLER**stale * (1 + math.cos(math.pi * step / schedule.steps)) / 2

    cosine = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
    for step in track(range(1, schedule.steps + 1), what, schedule.steps):
        value = loss()
        if not bool(torch.isfinite(value)):
            logger.warning("%s stopped at step %d: the loss is %s", what, step, float(value))
            break
        optimiser.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        cosine.step()
        if step % schedule.check_every and step != schedule.steps:
            continue
        found = measure()
        if found < best:
            best, kept, best_step = found, _copies(parameters), step
            continue
        stale += 1
        _put_back(parameters, kept)
        if stale >= schedule.patience:
            break
    _put_back(parameters, kept)
    return best, best_step


def _put_back(parameters: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
    """Gives parameters these values."""
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _copies(parameters: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Copies the parameters."""
    return [parameter.detach().clone() for parameter in parameters]
