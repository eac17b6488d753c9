"""Level 1, the request index: what this request's own prompt and output continue with."""

from __future__ import annotations

import numpy as np
from numba import njit

from hola_plugins.hsd.hash_index import (
    ADDRESS,
    BUCKETS,
    CAPACITY,
    LENGTH,
    SEPARATOR,
    bucket_count,
    enter_position,
    index_memory,
    index_size,
)
from hola_plugins.hsd.level import REQUEST, Block, Gate, Int32, Tokens
from hola_plugins.hsd.retrieval import extend_rows


@njit(cache=True, nogil=True)
def _first_short_row(descriptors, slots, lengths) -> int:
    """Gives the first row whose tokens do not fit into its index, or -1."""
    for row in range(slots.shape[0]):
        if slots[row] >= 0 and lengths[row] > descriptors[slots[row], CAPACITY]:
            return row
    return -1


@njit(cache=True, nogil=True)
def _learn_rows(descriptors, entered, slots, lengths, buffer, budget) -> int:
    """Copies each row's new tokens and enters positions until the budget is spent; gives what is left."""
    for row in range(slots.shape[0]):
        slot = slots[row]
        if slot < 0:
            continue
        capacity, buckets = descriptors[slot, CAPACITY], descriptors[slot, BUCKETS]
        memory = index_memory(descriptors[slot, ADDRESS], capacity, buckets)
        length = lengths[row]
        for position in range(descriptors[slot, LENGTH], length):
            memory[position] = buffer[row, position]
        descriptors[slot, LENGTH] = length
        stop = min(length - 1, entered[slot] + budget)
        for position in range(entered[slot], stop):
            enter_position(memory, capacity, buckets, position, position + 1)
        if stop > entered[slot]:
            budget -= stop - entered[slot]
            entered[slot] = stop
    return budget


class RequestIndex:
    """Retrieval over the request's own tokens, one growing index a request.

    Args:
        slots: Requests that are tracked at once.
        tokens_per_call: Positions entered in one call; a long prompt is spread over several.
    """

    name = "request"
    number = REQUEST

    def __init__(self, slots: int, tokens_per_call: int) -> None:
        self.descriptors = np.zeros((slots, 4), dtype=np.int64)
        self._entered = np.zeros(slots, dtype=np.int64)
        self._memory: list[Int32 | None] = [None] * slots
        self._tokens_per_call = tokens_per_call

    def learn(self, tokens: Tokens) -> None:
        """Takes in the rows' new tokens, growing an index that is full."""
        while (row := _first_short_row(self.descriptors, tokens.slots, tokens.lengths)) >= 0:
            self._grow(int(tokens.slots[row]), int(tokens.lengths[row]))
        _learn_rows(
            self.descriptors,
            self._entered,
            tokens.slots,
            tokens.lengths,
            tokens.buffer,
            self._tokens_per_call,
        )

    def extend(self, block: Block, gate: Gate) -> None:
        """Continues the open rows from earlier occurrences of their last tokens."""
        extend_rows(block.table, self.descriptors, False, self.number, gate.sure, gate.survival)

    def forget(self, slot: int) -> None:
        """Frees the index of one request."""
        self._memory[slot] = None
        self.descriptors[slot] = 0
        self._entered[slot] = 0

    def tokens_of(self, slot: int) -> Int32:
        """Gives a view of the tokens of one request, int32[length]."""
        memory = self._memory[slot]
        if memory is None:
            return np.zeros(0, dtype=np.int32)
        return memory[: self.descriptors[slot, LENGTH]]

    def memory_bytes(self) -> int:
        """Gives the bytes of all indexes."""
        return sum(memory.nbytes for memory in self._memory if memory is not None)

    def _grow(self, slot: int, length: int) -> None:
        """Moves a request to a larger allocation; its chains are entered anew over the next calls."""
        capacity = length + max(128, length // 4)
        buckets = bucket_count(capacity)
        memory = np.zeros(index_size(capacity, buckets), dtype=np.int32)
        old = self.tokens_of(slot)
        memory[:capacity] = SEPARATOR
        memory[: len(old)] = old
        self._memory[slot] = memory
        self.descriptors[slot, ADDRESS] = memory.ctypes.data
        self.descriptors[slot, CAPACITY] = capacity
        self.descriptors[slot, BUCKETS] = buckets
        self.descriptors[slot, LENGTH] = len(old)
        self._entered[slot] = 0
