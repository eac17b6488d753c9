"""Compiles the kernels before the first request, by drafting once for an invented one."""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.intermediate import IntermediateLevel
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.hsd.shared_store import LEAST_ROOM
from hola_plugins.hsd.windowed_model import WindowedModel

_TOKENS = 48
_REQUESTS = 4


def compile_kernels(config: HSDConfig, limits: DraftLimits, model: WindowedModel | None = None) -> None:
    """Runs a throw-away drafter through prompt, drafting, feedback and a leaving request.

    Args:
        config: The settings.
        limits: What the engine accepts.
        model: The intermediate level's model, which allocates its cache in the course of it.
    """
    silent = config.telemetry.model_copy(update={"jsonl": None, "log_interval_s": 0.0})
    small = config.store.model_copy(update={"tokens": 2 * LEAST_ROOM, "transitions": 1024})
    quiet = config.model_copy(update={"telemetry": silent, "store": small, "max_requests": _REQUESTS})
    judge = None
    if model is not None:
        judge = IntermediateLevel(config.intermediate, model, _REQUESTS)
    drafter = HierarchicalDrafter(quiet, limits, 2, judge=judge)
    buffer = np.zeros((2, max(limits.max_length, 2 * _TOKENS)), dtype=np.int32)
    buffer[:, : 2 * _TOKENS] = np.arange(2 * _TOKENS) % min(7, limits.vocabulary)
    for length in range(_TOKENS, _TOKENS + 12):
        lengths = np.array([length, length], dtype=np.int32)
        drafter.propose([[1], [1]] if length < _TOKENS + 8 else [[1]], lengths, buffer)
    drafter.add_corpus(buffer[0, :_TOKENS])
    drafter.hierarchy.store.add(buffer[0, :_TOKENS])
