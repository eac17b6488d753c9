"""A draft learns what the target says: every step a batch of answers, and the best by acceptance is kept."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from hola_plugins.lobi.divergence import Recorded
from hola_plugins.lobi.draft.answers import AnswerBatch
from hola_plugins.lobi.draft.config import DraftConfig
from hola_plugins.lobi.draft.losses import LOSSES
from hola_plugins.lobi.progress import track
from hola_plugins.lobi.recovery import with_factors
from hola_plugins.lobi.structure import Structure

logger = logging.getLogger(__name__)

_WARM_UP = 0.03
"""Share of the training in which the learning rate rises."""

_RATE = 0.25
"""Learning rate times hidden size: 1e-3 at 256, where 1e-3 and 2e-3 did alike and 4e-3 worse."""


@dataclass(slots=True)
class Learned:
    """What training did.

    Attributes:
        before: Acceptance rate on the prompts kept for checks, without it.
        after: The same at the best step.
        best_step: That step; 0 where none was better.
        steps: Steps that were run.
        ended: Why training ended: steps, minutes, patience, stopped or diverged.
        seconds: Its time, measurements included.
        curve: Step and acceptance rate of every measurement.
    """

    before: float
    after: float
    best_step: int = 0
    steps: int = 0
    ended: str = "steps"
    seconds: float = 0.0
    curve: list[tuple[int, float]] = field(default_factory=list)


def distil(
    model: Any,
    structure: Structure,
    batches: Sequence[AnswerBatch],
    target: Sequence[Recorded],
    check: Callable[[Any], float],
    config: DraftConfig,
) -> Learned:
    """Trains a draft in place and leaves it as it was at the best measurement.

    An interrupt (Ctrl-C) ends the training and keeps the best so far.

    Args:
        model: The draft, in float32.
        structure: Its structure.
        batches: Answers of the target, a step each.
        target: What the target says to each batch.
        check: Gives the acceptance rate on text kept for it.
        config: The settings.
    """
    trained, merge = _trainable(model, structure, config)
    training = _Training(model, trained, check, config)
    try:
        training.run(batches, target)
    except KeyboardInterrupt:
        training.learned.ended = "stopped"
        logger.warning("stopped at step %d: the best so far is kept", training.learned.steps)
    learned = training.finish()
    merge()
    return learned


def learning_rate(config: DraftConfig, hidden_size: int) -> float:
    """Gives the peak learning rate: as set, or smaller the wider the model is."""
    return config.learning_rate or _RATE / hidden_size


class _Training:
    """AdamW along a cosine over steps or minutes, with the best parameters so far.

    Args:
        model: The draft.
        trained: What is trained of it.
        check: Gives the acceptance rate.
        config: The settings.
    """

    def __init__(
        self, model: Any, trained: list[torch.Tensor], check: Callable[[Any], float], config: DraftConfig
    ) -> None:
        self._model, self._trained, self._check, self._config = model, trained, check, config
        self._peak = learning_rate(config, model.config.get_text_config().hidden_size)
        self._optimiser = torch.optim.AdamW(trained, lr=self._peak, betas=(0.9, 0.95), weight_decay=0.0)
        self._best = [parameter.detach().clone() for parameter in trained]
        self._stale = 0
        rate = check(model)
        self.learned = Learned(rate, rate, curve=[(0, rate)])
        self._began = time.monotonic()

    def run(self, batches: Sequence[AnswerBatch], target: Sequence[Recorded]) -> None:
        """Trains until steps, minutes or patience are spent."""
        config, learned = self._config, self.learned
        loss_of, order = LOSSES[config.loss], _order(len(batches), config.seed)
        for step in track(range(1, config.steps + 1), "the draft learns", config.steps):
            spent = self._spent(step)
            which = next(order)
            loss = loss_of(target[which], batches[which].text.logits(self._model)).mean()
            if not bool(torch.isfinite(loss)):
                learned.ended = "diverged"
                logger.warning("training stopped at step %d: the loss is %s", step, float(loss))
                return
            self._step(loss, self._peak * _share_of_rate(spent))
            learned.steps = step
            if step % config.check_every == 0 or spent >= 1:
                self._note(step)
            if spent >= 1 or self._stale >= config.patience:
                learned.ended = "patience" if spent < 1 else "steps" if step == config.steps else "minutes"
                return

    def finish(self) -> Learned:
        """Puts the best parameters back, and drops their gradients."""
        self._optimiser.zero_grad()
        with torch.no_grad():
            for parameter, best in zip(self._trained, self._best, strict=True):
                parameter.copy_(best)
        self.learned.seconds = time.monotonic() - self._began
        return self.learned

    def _spent(self, step: int) -> float:
        """Gives the share of the budget that is spent after this step, 0 to 1."""
        minutes = (time.monotonic() - self._began) / 60
        return min(1.0, max(step / self._config.steps, minutes / (self._config.minutes or math.inf)))

    def _step(self, loss: torch.Tensor, rate: float) -> None:
        """Makes one step of the optimiser."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._trained, 1.0)
        self._optimiser.step()

    def _note(self, step: int) -> None:
        """Measures, and keeps what is better than all before."""
        rate = self._check(self._model)
        self.learned.curve.append((step, rate))
        self._stale += 1
        if rate > self.learned.after:
            self._best = [parameter.detach().clone() for parameter in self._trained]
            self.learned.after, self.learned.best_step, self._stale = rate, step, 0


def _trainable(
    model: Any, structure: Structure, config: DraftConfig
) -> tuple[list[torch.Tensor], Callable[[], Any]]:
    """Gives what is trained, and what merges it into the weights."""
    if config.train == "lora":
        adapted = with_factors(model, structure, config.rank, config.seed)
        factors = [factor for factor in adapted.parameters() if factor.requires_grad]
        return factors, adapted.merge_and_unload
    model.requires_grad_(requires_grad=True)
    return list(model.parameters()), lambda: None


def _order(count: int, seed: int) -> Iterator[int]:
    """Yields batches without end, each once before any comes again."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(count, generator=generator).tolist()


def _share_of_rate(spent: float) -> float:
    """Gives the learning rate as a share of its peak: a rise, then a cosine down to 0."""
    if spent < _WARM_UP:
        return spent / _WARM_UP
    return (1 + math.cos(math.pi * (spent - _WARM_UP) / (1 - _WARM_UP))) / 2
