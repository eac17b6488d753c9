"""A short training with an early stop: AdamW along a cosine, the best step by a measurement is kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from hola_plugins.lobi.progress import track

logger = logging.getLogger(__name__)


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
        """Measurements without improvement after which training stops."""


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
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.steps)
    kept, best_step, stale = _copies(parameters), 0, 0
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
        stale += 1
        if found < best:
            best, kept, best_step, stale = found, _copies(parameters), step, 0
        if stale >= schedule.patience:
            break
    with torch.no_grad():
        for parameter, value in zip(parameters, kept, strict=True):
            parameter.copy_(value)
    return best, best_step


def _copies(parameters: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Copies the parameters."""
    return [parameter.detach().clone() for parameter in parameters]
