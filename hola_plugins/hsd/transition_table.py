"""Level 3, the transition table: the most frequent successors of the last one to three tokens.

It bridges the gaps where no longer context matches. Idea after Token Recycling (arXiv 2408.08696), with
counts of emitted tokens in place of the target's logits, which a proposer does not see.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hola_plugins.hsd.block import (
    append_token,
    draft_views,
    evidence_views,
    offer_token,
    rate_bucket,
    record_prediction,
)
from hola_plugins.hsd.level import DRAFTED, OPEN, ROOM, SLOT, TRANSITIONS, WINDOW, Block, Gate, Int32, Tokens

TRANSITION_ORDERS = 3
"""Longest context of the table."""

TRANSITION_BUCKETS = TRANSITION_ORDERS * 4 * 4 * 4 * 2
"""Calibration buckets: context length, count, share, recent success, first or later position."""

CHECK, FIRST, SECOND, FIRST_COUNT, SECOND_COUNT, ENTRY_FIELDS = range(6)
"""Columns of a table entry."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_COUNT_LIMIT = 255


@njit(cache=True, inline="always")
def _mix(value, token):
    value = (value + np.uint64(token + 1)) * _MULTIPLIER
    return value ^ (value >> np.uint64(29))


@njit(cache=True, nogil=True)
def _count(entry, check, token) -> None:
    """Counts one successor in an entry that keeps the two most frequent ones."""
    if entry[CHECK] != check:
        if entry[FIRST_COUNT] > 1:
            entry[FIRST_COUNT] -= 1
            return
        entry[CHECK] = check
        entry[FIRST] = token
        entry[SECOND] = -1
        entry[FIRST_COUNT] = 1
        entry[SECOND_COUNT] = 0
    elif entry[FIRST] == token:
        entry[FIRST_COUNT] += 1
    elif entry[SECOND] == token:
        entry[SECOND_COUNT] += 1
        if entry[SECOND_COUNT] >= entry[FIRST_COUNT]:
            entry[FIRST], entry[SECOND] = entry[SECOND], entry[FIRST]
            entry[FIRST_COUNT], entry[SECOND_COUNT] = entry[SECOND_COUNT], entry[FIRST_COUNT]
    elif entry[SECOND_COUNT] <= 1:
        entry[SECOND] = token
        entry[SECOND_COUNT] = 1
    else:
        entry[SECOND_COUNT] -= 1
    if entry[FIRST_COUNT] > _COUNT_LIMIT:
        entry[FIRST_COUNT] >>= 1
        entry[SECOND_COUNT] >>= 1


@njit(cache=True, nogil=True)
def _learn_rows(table, learned, slots, lengths, buffer, budget) -> None:
    mask = np.uint64(table.shape[0] - 1)
    for row in range(slots.shape[0]):
        slot = slots[row]
        if slot < 0:
            continue
        stop = min(np.int64(lengths[row]), learned[slot] + budget)
        budget -= max(0, stop - learned[slot])
        for position in range(max(1, learned[slot]), stop):
            token = buffer[row, position]
            value = np.uint64(0)
            for order in range(min(TRANSITION_ORDERS, position)):
                value = _mix(value, buffer[row, position - 1 - order])
                _count(table[value & mask], np.int32((value >> np.uint64(33)) + np.uint64(order)), token)
        learned[slot] = max(learned[slot], stop)


@njit(cache=True, inline="always")
def _predict(table, window, end):
    """Gives the likeliest successor of ``window[:end]`` and its bucket, or -1 where none is known."""
    mask = np.uint64(table.shape[0] - 1)
    value = np.uint64(0)
    token = -1
    bucket = 0
    for order in range(TRANSITION_ORDERS):
        if window[end - 1 - order] < 0:
            break
        value = _mix(value, window[end - 1 - order])
        entry = table[value & mask]
        if entry[CHECK] != np.int32((value >> np.uint64(33)) + np.uint64(order)) or entry[FIRST_COUNT] == 0:
            continue
        first = entry[FIRST_COUNT]
        share = first / (first + entry[SECOND_COUNT])
        counted = int(first >= 2) + int(first >= 4) + int(first >= 12)
        certain = int(share >= 0.6) + int(share >= 0.8) + int(share >= 0.95)
        token = entry[FIRST]
        bucket = ((order * 4 + counted) * 4 + certain) * 8
    return token, bucket


@njit(cache=True, inline="always")
def extend_row(drafts, evidence, row, table, level, sure, least_survival) -> None:
    """Extends one open row with frequent successors.

    Args:
        drafts: What `draft_views` gives.
        evidence: What `evidence_views` gives.
        row: The row.
        table: The entries, int32[entries, ENTRY_FIELDS].
        level: The level's number.
        sure: `Gate.sure`.
        least_survival: `Gate.survival`.
    """
    window, state, chance, owner, survival = drafts
    trail, trail_length, calibration, success, _ = evidence
    slot = state[row, SLOT]
    rate = rate_bucket(success[level, slot])
    while state[row, DRAFTED] < state[row, ROOM]:
        position = state[row, DRAFTED]
        token, bucket = _predict(table, window[row], WINDOW + position)
        if token < 0:
            return
        bucket += rate * 2 + int(position > 0)
        probability = calibration[level, bucket]
        record_prediction(trail, trail_length, slot, position, token, level, bucket, -1)
        if probability < sure or survival[row] * probability < least_survival:
            offer_token(state, chance, row, token, level, probability)
            return
        append_token(window, state, chance, owner, survival, row, token, level, probability)


@njit(cache=True, nogil=True)
def _extend_rows(block, table, level, sure, least_survival) -> None:
    drafts, evidence = draft_views(block), evidence_views(block)
    state = drafts[1]
    for row in range(state.shape[0]):
        if state[row, OPEN] != 0:
            extend_row(drafts, evidence, row, table, level, sure, least_survival)


class TransitionTable:
    """Counts of successors in a fixed number of hashed entries.

    Args:
        slots: Requests that are tracked at once.
        entries: Table size, a power of two.
        tokens_per_call: Most tokens counted in one call.
    """

    name = "transitions"
    number = TRANSITIONS

    def __init__(self, slots: int, entries: int, tokens_per_call: int) -> None:
        self.table = np.full((entries, ENTRY_FIELDS), 0, dtype=np.int32)  # writes: no page faults later
        self._learned = np.zeros(slots, dtype=np.int64)
        self._tokens_per_call = tokens_per_call

    def learn(self, tokens: Tokens) -> None:
        """Counts the rows' new tokens."""
        _learn_rows(
            self.table, self._learned, tokens.slots, tokens.lengths, tokens.buffer, self._tokens_per_call
        )

    def skip(self, slot: int, position: int) -> None:
        """Leaves the slot's tokens before ``position`` uncounted."""
        self._learned[slot] = position

    def count(self, tokens: Int32) -> None:
        """Counts the successors in one sequence, int32[length]."""
        start = np.zeros(1, dtype=np.int64)
        _learn_rows(
            self.table,
            start,
            np.zeros(1, dtype=np.int32),
            np.array([len(tokens)], dtype=np.int32),
            np.ascontiguousarray(tokens[None, :], dtype=np.int32),
            len(tokens),
        )

    def extend(self, block: Block, gate: Gate) -> None:
        """Continues the open rows with frequent successors."""
        _extend_rows(block.table, self.table, self.number, gate.sure, gate.survival)

    def forget(self, slot: int) -> None:
        """Lets the slot start anew; the counts stay."""
        self._learned[slot] = 0
