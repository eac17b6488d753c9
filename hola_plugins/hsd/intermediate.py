"""The intermediate level: a small language model checks the cheap levels' draft and carries it on.

One forward pass over the tokens that came and the finished draft judges every drafted token and predicts the one
behind it: draft, intermediate and target, three levels as in HOLA (arXiv 2506.18952). It is asked for the
requests where that pays (`hola_plugins.hsd.asking`), once reading their context pays (`hola_plugins.hsd.reading`);
from its token the cheap levels go on for free, and their new draft may be judged again.
"""

from __future__ import annotations

import time

import numpy as np
from numba import njit

from hola_plugins.hsd.asking import Bools, ForwardCost, rows_that_pay, worth_of_judging
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
    AGREEMENT,
    DRAFTED,
    INTERMEDIATE,
    OFFER_LEVEL,
    OPEN,
    ROOM,
    SLOT,
    WINDOW,
    Block,
    Float32,
    Float64,
    Gate,
    Int32,
    Int64,
    Tokens,
)
from hola_plugins.hsd.reading import ReadingAccount
from hola_plugins.hsd.windowed_model import WindowedModel

CONFIDENCE_CLASSES = 16
"""Classes of the model's probability for its token."""

INTERMEDIATE_BUCKETS = CONFIDENCE_CLASSES * 2 * 4
"""Calibration buckets: the model's probability, whether a cheap level says otherwise, recent success."""

_CATCH_UP = 16
"""Tokens that a request may be behind and still be asked for at once; the context of one further behind is read first."""

_UNKNOWN_RATE = 0.5
"""What the feedback says of a level in a request where it was never judged."""

_TRY_EVERY = 64
"""Calls after which the level is tried whatever it seems worth, so that its reliability stays known."""

_TRY_FOR = 16
"""Calls after which a try ends that has not come to judge anything: requests may end before their context is read."""


class IntermediateLevel:
    """A small language model as one level of the hierarchy.

    Args:
        settings: Its settings.
        model: The model.
        slots: Requests that are tracked at once.
        isolated: Whether what it is worth in one request shall say nothing of others.
    """

    name = "intermediate"
    number = INTERMEDIATE

    def __init__(
        self, settings: IntermediateConfig, model: WindowedModel, slots: int, *, isolated: bool = False
    ) -> None:
        self._settings = settings
        self._model = model
        self._isolated = isolated
        self._lanes = Lanes(settings.requests, settings.window, slots)
        self._judged: Int32 = np.zeros(0, dtype=np.int32)
        self._left: Bools = np.zeros(0, dtype=np.bool_)
        self._cost = ForwardCost()
        self._account = ReadingAccount(slots, learns=not isolated)
        self._calls = 0
        self._trying = False
        self._rate = 0.6
        self._tokens: Tokens | None = None

    def learn(self, tokens: Tokens) -> None:
        """Keeps the rows of this call for `extend`."""
        self._tokens = tokens
        self._judged = np.zeros(len(tokens.slots), dtype=np.int32)
        self._left = np.zeros(len(tokens.slots), dtype=np.bool_)
        self._calls += 1
        since = self._calls % _TRY_EVERY
        self._trying = since == 0 or (self._trying and since < _TRY_FOR)
        self._account.close_others(tokens.slots)

    def extend(self, block: Block, gate: Gate) -> None:
        """Judges the drafts for which it is worth it, and opens those that it corrects or carries on."""
        tokens = self._tokens
        if tokens is None:
            return
        state = block.state[: len(tokens.slots)]
        unjudged = (self._judged <= state[:, DRAFTED]) & ~self._left
        rows = np.flatnonzero((state[:, SLOT] >= 0) & (state[:, ROOM] > 0) & unjudged)
        clocked = gate.token_seconds is not None
        trying = clocked and self._trying and not (self._judged.any() or self._left.any())
        worth, counts = self._worth(block, gate, rows, trying)
        chosen, share = rows_that_pay(worth, self._cost, counts)
        rows, worth, counts = rows[chosen], worth[chosen], counts[chosen]
        slots = state[rows, SLOT]
        if clocked and not trying:
            self._account.credit(slots, share * worth)
        lanes = self._lanes.find(slots)
        pending = self._lanes.locate(block.table, tokens, rows, lanes, self._judged[rows])
        ready = (lanes >= 0) & (pending <= _CATCH_UP + block.owner.shape[1])
        self._left[rows[~ready]] = True
        behind = np.flatnonzero(~ready)
        behind = behind[np.argsort(pending[behind], kind="stable")]
        lacking = lanes[behind] < 0
        behind = behind[~lacking | (np.cumsum(lacking) <= self._lanes.free())]
        if trying:
            behind = behind[: int(not ready.any())]
        elif clocked:
            behind = behind[self._account.pays(slots[behind], pending[behind])]
        self._read(block, tokens, rows[behind], pending[behind])
        asked = np.flatnonzero(ready)
        asked = asked[rows_that_pay(worth[asked], self._cost, counts[asked])[0]]
        asked = asked[np.argsort(lanes[asked])]
        if len(asked):
            self._ask(block, tokens, rows[asked], lanes[asked], int(pending[asked].max()))

    def forget(self, slot: int) -> None:
        """Frees the request's lane."""
        self._lanes.release(slot)
        self._account.close(slot)

    def _worth(self, block: Block, gate: Gate, rows: Int64, trying: bool) -> tuple[Float64, Int32]:
        """Gives what judging each row is worth in seconds, and its tokens; without bound where it is tried or no clock runs."""
        drafted = block.state[rows, DRAFTED]
        reach, rest = _chances(block.chance[rows], self._judged[rows], drafted)
        counts = 1 + drafted - np.minimum(self._judged[rows], drafted)
        if gate.token_seconds is None or trying:
            return np.where(reach >= gate.survival, np.inf, 0.0), counts
        full = drafted >= block.state[rows, ROOM]
        rescue = self._match_rates(block, rows)
        return worth_of_judging(reach, rest, rescue, full, gate.price, gate.token_seconds), counts

    def _match_rates(self, block: Block, rows: Int64) -> Float32:
        """Gives how often the level was right of late for each row; a new request takes the others' rate."""
        rates = block.success[INTERMEDIATE, block.state[rows, SLOT]]
        known = rates != _UNKNOWN_RATE
        if known.any() and not self._isolated:
            self._rate += 0.02 * (float(rates[known].mean()) - self._rate)
        return np.where(known, rates, np.float32(self._rate))

    def _read(self, block: Block, tokens: Tokens, rows: Int64, pending: Int32) -> None:
        """Runs part of the context that the model has not seen, of the first rows, as many as the budget holds.

        Args:
            block: The block.
            tokens: The rows of this call.
            rows: Rows to read, those with the least to read first, int64[n].
            pending: Tokens to the end of each draft, int32[n].
        """
        budget = self._settings.prompt_tokens
        most = np.minimum(pending - 1, budget)
        few = max(1, int(np.count_nonzero(np.arange(1, len(rows) + 1) * most <= budget)))
        lanes = self._lanes.assign(block.state[rows[:few], SLOT])
        rows, lanes = rows[:few][lanes >= 0], lanes[lanes >= 0]
        if not len(rows):
            return
        self._lanes.locate(block.table, tokens, rows, lanes, self._judged[rows])
        started = time.perf_counter()
        _, _, fed = self._run(block, tokens, rows, lanes, int(most[:few].max()), last_only=True)
        self._account.spend(block.state[rows, SLOT], fed.size, time.perf_counter() - started)

    def _ask(self, block: Block, tokens: Tokens, rows: Int64, lanes: Int64, most: int) -> None:
        """Runs the rows' pending tokens and enters what the model says of their drafts."""
        started = time.perf_counter()
        (predicted, confidence), starts, fed = self._run(block, tokens, rows, lanes, most)
        self._cost.observe(fed.size, time.perf_counter() - started)
        drafts_start = tokens.lengths[rows] - self._lanes.base[lanes]
        _judge(block.table, rows, starts, drafts_start, predicted, confidence, self._judged)
        self._trying = False

    def _run(
        self, block: Block, tokens: Tokens, rows: Int64, lanes: Int64, most: int, *, last_only: bool = False
    ) -> tuple[tuple[Int32, Float32], Int32, Int32]:
        """Runs the next tokens of each row; gives what the model says, where they start, and the tokens, -1 for padding."""
        starts = self._lanes.held[lanes].copy()
        fed = self._lanes.take(block.table, tokens, rows, lanes, most)
        result = self._model.forward(lanes, starts, fed, last_only=last_only)
        self._lanes.held[lanes] += (fed >= 0).sum(axis=1, dtype=np.int32)
        return result, starts, fed


@njit(cache=True, nogil=True)
def _survival(chance, start, stop, product) -> None:
    """Multiplies the chances of each row's tokens from ``start`` to ``stop``."""
    for row in range(product.shape[0]):
        product[row] = 1.0
        for position in range(start[row], stop[row]):
            product[row] *= chance[row, position]


def _chances(chance: Float32, judged: Int32, drafted: Int32) -> tuple[Float32, Float32]:
    """Gives how likely the judged part of each draft is accepted, and then the rest of it."""
    reach, rest = np.empty(len(judged), dtype=np.float32), np.empty(len(judged), dtype=np.float32)
    seen = np.minimum(judged, drafted)
    _survival(chance, np.zeros_like(seen), seen, reach)
    _survival(chance, seen, drafted, rest)
    return reach, rest


@njit(cache=True, inline="always")
def _certainty(confidence: float) -> int:
    """Classes a probability of the model."""
    return min(int(confidence * CONFIDENCE_CLASSES), CONFIDENCE_CLASSES - 1)


@njit(cache=True, nogil=True)
def _judge(table, rows, starts, drafts_start, predicted, confidence, judged) -> None:
    """Keeps a draft while the model agrees, cuts it where it knows better, and offers the token behind it.

    Args:
        table: `Block.table`.
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
        first = starts[one] + 1 - drafts_start[one]
        position = max(first, 0)
        while position < state[row, DRAFTED]:
            token = predicted[one, position - first]
            certainty = _certainty(confidence[one, position - first])
            if window[row, WINDOW + position] == token:
                bucket = certainty * 4 + rate_bucket(success[AGREEMENT, slot])
                record_prediction(trail, trail_length, slot, position, token, AGREEMENT, bucket, 0)
                chance[row, position] = max(chance[row, position], calibration[AGREEMENT, bucket])
            else:
                bucket = (certainty * 2 + 1) * 4 + rate_bucket(success[INTERMEDIATE, slot])
                record_prediction(trail, trail_length, slot, position, token, INTERMEDIATE, bucket, 0)
                if calibration[INTERMEDIATE, bucket] > chance[row, position]:
                    truncate_draft(table, row, position)
                    offer_token(state, chance, row, token, INTERMEDIATE, calibration[INTERMEDIATE, bucket])
                    break
            position += 1
        if state[row, OFFER_LEVEL] != INTERMEDIATE and position < state[row, ROOM]:
            token = predicted[one, position - first]
            certainty = _certainty(confidence[one, position - first])
            bucket = certainty * 8 + rate_bucket(success[INTERMEDIATE, slot])
            record_prediction(trail, trail_length, slot, position, token, INTERMEDIATE, bucket, 0)
            offer_token(state, chance, row, token, INTERMEDIATE, calibration[INTERMEDIATE, bucket])
        state[row, OPEN] = 1
        judged[row] = state[row, DRAFTED] + 1
        survival[row] = 1.0
        for before in range(state[row, DRAFTED]):
            survival[row] *= chance[row, before]
