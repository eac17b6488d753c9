"""The intermediate level: a small language model checks the cheap levels' draft and carries it on.

One forward pass over the tokens that came and the draft so far judges every drafted token and predicts the one
behind it: draft, intermediate and target, three levels as in HOLA (arXiv 2506.18952). Each round of the cascade
asks it at most once, for the requests where that pays (`hola_plugins.hsd.asking`); between rounds the cheap
levels go on from its token for free.
"""

from __future__ import annotations

import time

import numpy as np
from numba import njit

from hola_plugins.hsd.asking import ForwardCost, worth_asking
from hola_plugins.hsd.block import (
    draft_views,
    evidence_views,
    offer_token,
    rate_bucket,
    record_prediction,
    truncate_draft,
)
from hola_plugins.hsd.config import IntermediateConfig
from hola_plugins.hsd.lanes import Lanes
from hola_plugins.hsd.level import (
    DRAFTED,
    OFFER_LEVEL,
    OFFER_TOKEN,
    OPEN,
    ROOM,
    SLOT,
    WINDOW,
    Block,
    Float32,
    Gate,
    Int32,
    Int64,
    Tokens,
)
from hola_plugins.hsd.windowed_model import WindowedModel

CONFIDENCE_CLASSES = 16
"""Classes of the model's probability for its token."""

ALONE, AGREES, DISAGREES, RELATIONS = range(4)
"""How the model's token stands to that of the cheap levels."""

INTERMEDIATE_BUCKETS = CONFIDENCE_CLASSES * RELATIONS * 4
"""Calibration buckets: the model's probability, its relation to the cheap levels, recent success."""

_CATCH_UP = 16
"""Tokens that a request may be behind and still be asked for at once; one further behind is caught up first."""

_TRY_EVERY = 64
"""Calls after which the level is asked whatever it seems worth, so that its reliability stays known."""


class IntermediateLevel:
    """A small language model as one level of the hierarchy.

    Args:
        number: Its number in the hierarchy.
        settings: Its settings.
        model: The model.
        slots: Requests that are tracked at once.
    """

    name = "intermediate"

    def __init__(self, number: int, settings: IntermediateConfig, model: WindowedModel, slots: int) -> None:
        self.number = number
        self._settings = settings
        self._model = model
        self._lanes = Lanes(settings.requests, settings.window, slots)
        self._judged: Int32 = np.zeros(0, dtype=np.int32)
        self._cost = ForwardCost()
        self._calls = 0
        self._tokens: Tokens | None = None
        self.forwards = 0

    def learn(self, tokens: Tokens) -> None:
        """Keeps the rows of this call for `extend`."""
        self._tokens = tokens
        self._judged = np.zeros(len(tokens.slots), dtype=np.int32)
        self._calls += 1

    def extend(self, block: Block, gate: Gate) -> None:
        """Judges the drafts of the open rows that are worth it and offers one more token to each."""
        tokens = self._tokens
        if tokens is None:
            return
        rows = np.flatnonzero(block.state[: len(tokens.slots), OPEN])
        lanes = self._lanes.assign(block.state[rows, SLOT])
        rows, lanes = rows[lanes >= 0], lanes[lanes >= 0]
        pending = self._lanes.locate(block.table, tokens, rows, lanes, self._judged[rows])
        chosen = self._choose(block, gate, rows, pending)
        rows, lanes, pending = rows[chosen], lanes[chosen], pending[chosen]
        behind = pending > _CATCH_UP + block.owner.shape[1]
        if behind.any():
            self._catch_up(block, tokens, rows[behind], lanes[behind], pending[behind])
        if not behind.all():
            self._ask(block, tokens, rows[~behind], lanes[~behind], int(pending[~behind].max()))

    def forget(self, slot: int) -> None:
        """Frees the request's lane."""
        self._lanes.release(slot)

    def memory_bytes(self) -> int:
        """Gives the bytes of weights and cache."""
        return self._model.memory_bytes()

    def _choose(self, block: Block, gate: Gate, rows: Int64, pending: Int32) -> Int64:
        """Gives which of the rows are asked, as indexes into ``rows``."""
        if not len(rows):
            return rows
        first = not self._judged.any()
        if gate.token_seconds is None or (first and self._calls % _TRY_EVERY == 0):
            return np.flatnonzero(block.survival[rows] >= gate.survival)
        steps = len(rows) * min(int(pending.max()), _CATCH_UP)
        return worth_asking(
            block.survival[rows],
            block.success[self.number, block.state[rows, SLOT]],
            np.where(block.state[rows, OFFER_LEVEL] >= 0, block.chance[rows, -1], np.float32(0)),
            block.state[rows, ROOM] - block.state[rows, DRAFTED],
            gate.price,
            gate.token_seconds,
            self._cost.seconds(steps),
            self._cost.seconds(len(rows)),
            self._settings.rounds,
        )

    def _catch_up(self, block: Block, tokens: Tokens, rows: Int64, lanes: Int64, pending: Int32) -> None:
        """Runs part of the context that the model has not seen, of as many rows as the budget holds."""
        most = min(int(pending.max()) - 1, self._settings.prompt_tokens)
        few = max(1, self._settings.prompt_tokens // most)
        fed = self._lanes.take(block.table, tokens, rows[:few], lanes[:few], most)
        self._run(lanes[:few], self._lanes.held[lanes[:few]], fed, last_only=True)
        self._lanes.held[lanes[:few]] += (fed >= 0).sum(axis=1, dtype=np.int32)

    def _ask(self, block: Block, tokens: Tokens, rows: Int64, lanes: Int64, most: int) -> None:
        """Runs the rows' pending tokens and enters what the model says of their drafts."""
        starts = self._lanes.held[lanes].copy()
        fed = self._lanes.take(block.table, tokens, rows, lanes, most)
        predicted, confidence = self._run(lanes, starts, fed)
        self._lanes.held[lanes] += (fed >= 0).sum(axis=1, dtype=np.int32)
        drafts_start = tokens.lengths[rows] - self._lanes.base[lanes]
        _judge(block.table, self.number, rows, starts, drafts_start, predicted, confidence, self._judged)

    def _run(
        self, lanes: Int64, starts: Int32, fed: Int32, *, last_only: bool = False
    ) -> tuple[Int32, Float32]:
        """Runs one pass and notes its cost."""
        started = time.perf_counter()
        result = self._model.forward(lanes, starts, fed, last_only=last_only)
        self.forwards += 1
        if not last_only:
            self._cost.observe(fed.size, time.perf_counter() - started)
        return result


@njit(cache=True, inline="always")
def _bucket(confidence: float, relation: int, rate: float) -> int:
    """Numbers a calibration bucket."""
    certainty = min(int(confidence * CONFIDENCE_CLASSES), CONFIDENCE_CLASSES - 1)
    return (certainty * RELATIONS + relation) * 4 + rate_bucket(rate)


@njit(cache=True, nogil=True)
def _judge(table, level, rows, starts, drafts_start, predicted, confidence, judged) -> None:
    """Keeps a draft while the model agrees, cuts it where it knows better, and offers the token behind it.

    Args:
        table: `Block.table`.
        level: The level's number.
        rows: Rows that were asked, int64[n].
        starts: Window position of each row's first token that was run, int32[n].
        drafts_start: Window position of each row's first drafted token, int32[n].
        predicted: Most likely token behind each, int32[n, columns].
        confidence: Its probability, float32[n, columns].
        judged: Receives how many tokens of each draft have been judged, the offer included, int32[rows].
    """
    window, state, chance, _, survival = draft_views(table)
    trail, trail_length, calibration, success, _ = evidence_views(table)
    for one in range(rows.shape[0]):
        row = rows[one]
        slot = state[row, SLOT]
        rate = success[level, slot]
        first = starts[one] + 1 - drafts_start[one]
        for position in range(max(first, 0), state[row, DRAFTED] + 1):
            column = position - first
            token = predicted[one, column]
            at_end = position == state[row, DRAFTED]
            cheap = window[row, WINDOW + position] if not at_end else state[row, OFFER_TOKEN]
            relation = AGREES if cheap == token else DISAGREES
            if at_end and state[row, OFFER_LEVEL] < 0:
                relation = ALONE
            bucket = _bucket(confidence[one, column], relation, rate)
            probability = calibration[level, bucket]
            record_prediction(trail, trail_length, slot, position, token, level, bucket, 0)
            if at_end:
                offer_token(state, chance, row, token, level, probability)
                break
            if relation == AGREES:
                chance[row, position] = max(chance[row, position], probability)
            elif probability > chance[row, position]:
                truncate_draft(table, row, position)
                offer_token(state, chance, row, token, level, probability)
                break
        survival[row] = 1.0
        for position in range(state[row, DRAFTED]):
            survival[row] *= chance[row, position]
        judged[row] = state[row, DRAFTED] + 1
