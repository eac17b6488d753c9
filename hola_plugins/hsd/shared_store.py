"""Level 2, the shared store: what outputs of other requests, and an optional corpus, continue with."""

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
from hola_plugins.hsd.level import STORE, Block, Gate, Int32, Tokens
from hola_plugins.hsd.retrieval import extend_rows

LEAST_ROOM = 1024
"""Tokens that what is kept leaves for finished outputs."""


@njit(cache=True, nogil=True)
def _write_ring(descriptor, cursor, floor, tokens) -> int:
    """Writes a sequence into the ring from ``cursor`` on and gives the new cursor; nothing under ``floor`` is touched.

    With a floor, a sequence that reaches the end of the ring is cut there, so that none runs on into what is kept.
    """
    capacity = descriptor[CAPACITY]
    buckets = descriptor[BUCKETS]
    memory = index_memory(descriptor[ADDRESS], capacity, buckets)
    reach = 0
    for token in tokens:
        if floor > 0 and cursor == capacity - 1:
            memory[cursor] = SEPARATOR
            descriptor[LENGTH] = capacity
            cursor = floor
            reach = 0
        memory[cursor] = token
        if reach > 0:
            enter_position(memory, capacity, buckets, cursor - 1 if cursor > 0 else capacity - 1, reach)
        reach += 1
        if cursor >= descriptor[LENGTH]:
            descriptor[LENGTH] = cursor + 1
        cursor = cursor + 1 if cursor + 1 < capacity else floor
    memory[cursor] = SEPARATOR
    if cursor >= descriptor[LENGTH]:
        descriptor[LENGTH] = cursor + 1
    return cursor + 1 if cursor + 1 < capacity else floor


@njit(cache=True, nogil=True)
def _enter_again(descriptor, position, count, end) -> int:
    """Enters ``count`` positions of the sequence before ``end`` anew, from ``position`` on, and gives the next one.

    What comes later pushes older positions out of reach of a lookup; so what is kept stays within it.
    """
    capacity = descriptor[CAPACITY]
    buckets = descriptor[BUCKETS]
    memory = index_memory(descriptor[ADDRESS], capacity, buckets)
    for _ in range(min(count, end)):
        if position >= end:
            position = 0
        enter_position(memory, capacity, buckets, position, position + 1)
        position += 1
    return position


class SharedStore:
    """Retrieval over a bounded ring of finished outputs.

    Args:
        capacity: Tokens the ring holds; the oldest but what is kept are overwritten.
        number: Place in the hierarchy.
    """

    name = "store"

    def __init__(self, capacity: int, number: int = STORE) -> None:
        self.number = number
        buckets = bucket_count(capacity)
        self._memory = np.full(
            index_size(capacity, buckets), 0, dtype=np.int32
        )  # writes: no page faults later
        self._memory[:capacity] = SEPARATOR
        self.descriptors = np.zeros((1, 4), dtype=np.int64)
        self.descriptors[0, ADDRESS] = self._memory.ctypes.data
        self.descriptors[0, CAPACITY] = capacity
        self.descriptors[0, BUCKETS] = buckets
        self._cursor = self._floor = self._again = 0

    @property
    def capacity(self) -> int:
        """Tokens the ring holds."""
        return int(self.descriptors[0, CAPACITY])

    @property
    def tokens(self) -> int:
        """Tokens in the ring, separators included."""
        return int(self.descriptors[0, LENGTH])

    def add(self, tokens: Int32) -> None:
        """Adds one finished sequence, int32[length]; of one that the ring cannot hold, its end."""
        longest = self.capacity - 1 - self._floor
        tokens = np.ascontiguousarray(tokens[-longest:], dtype=np.int32)
        if len(tokens) > 1:
            self._cursor = _write_ring(self.descriptors[0], self._cursor, self._floor, tokens)
        if self._floor:
            self._again = _enter_again(self.descriptors[0], self._again, len(tokens), self._floor - 2)

    def keep(self, tokens: Int32) -> None:
        """Adds a sequence, int32[length], that later ones never overwrite; to be called before any `add`.

        Raises:
            ValueError: It leaves fewer than `LEAST_ROOM` tokens for others.
        """
        if len(tokens) + LEAST_ROOM > self.capacity:
            raise ValueError(
                f"{len(tokens)} tokens need a store of at least {len(tokens) + LEAST_ROOM}, got {self.capacity}"
            )
        self.add(tokens)
        self._floor = self._cursor

    def learn(self, tokens: Tokens) -> None:
        """Does nothing: the store learns whole outputs, through `add`."""

    def extend(self, block: Block, gate: Gate) -> None:
        """Continues the open rows from sequences of other requests."""
        extend_rows(block.table, self.descriptors, True, self.number, gate.sure, gate.survival)

    def forget(self, slot: int) -> None:
        """Does nothing: the store keeps what a request left."""

    def memory_bytes(self) -> int:
        """Gives the bytes of the ring and its index."""
        return int(self._memory.nbytes)
