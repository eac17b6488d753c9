"""What a forward pass costs: seconds for one token and for eight, behind a cached context, on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from hola_plugins.lobi.progress import track

MANY = 8
"""Tokens of the longer pass: what a target verifies at a time."""

_CONTEXT = 128
_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Cost:
    """Median seconds of a forward pass.

    Attributes:
        one: Of one token.
        many: Of eight.
    """

    one: float
    many: float


def measure_costs(models: Sequence[Any]) -> list[Cost]:
    """Times models in turns, so that what else the machine does falls on all of them.

    Args:
        models: Causal language models of transformers, on one device.
    """
    passes = [_Pass(model, count) for model in models for count in (1, MANY)]
    for one in passes:
        one.seconds()
    times = [[one.seconds() for one in passes] for _ in track(range(_ROUNDS), "costs", _ROUNDS)]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    return [Cost(one, many) for one, many in zip(medians[::2], medians[1::2], strict=True)]


class _Pass:
    """A forward pass of some tokens behind a context in a key-value cache that holds all of it, windows or not.

    Args:
        model: The model.
        count: Tokens of the pass.
    """

    def __init__(self, model: Any, count: int) -> None:
        self._model = model
        vocabulary = model.config.get_text_config().vocab_size
        ids = torch.randint(vocabulary, (1, _CONTEXT + count), generator=torch.Generator().manual_seed(0))
        ids = ids.to(model.device)
        self._cache, self._ids = DynamicCache(), ids[:, _CONTEXT:]
        with torch.no_grad():
            model(input_ids=ids[:, :_CONTEXT], past_key_values=self._cache, use_cache=True)

    def seconds(self) -> float:
        """Runs the pass and takes its tokens out of the cache again."""
        self._wait()
        began = time.perf_counter()
        with torch.no_grad():
            self._model(input_ids=self._ids, past_key_values=self._cache, use_cache=True)
        self._wait()
        taken = time.perf_counter() - began
        self._cache.crop(-self._ids.shape[1])
        return taken

    def _wait(self) -> None:
        """Waits for an accelerator, which works on its own."""
        if self._model.device.type != "cpu":
            torch.accelerator.synchronize(self._model.device)
