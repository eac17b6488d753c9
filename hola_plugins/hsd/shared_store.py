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
from hola_plugins.hsd.level import Block, Gate, Int32, Tokens
from hola_plugins.hsd.retrieval import extend_rows


@njit(cache=True, nogil=True)
def _write_ring(descriptor, cursor, reach, tokens) -> int:
    """Writes tokens into the ring from ``cursor`` on and gives the new cursor.

    ``reach`` counts the tokens of the current sequence already in front of the cursor.
    """
    capacity = descriptor[CAPACITY]
    buckets = descriptor[BUCKETS]
    memory = index_memory(descriptor[ADDRESS], capacity, buckets)
    for token in tokens:
        memory[cursor] = token
        if reach > 0:
            enter_position(memory, capacity, buckets, cursor - 1 if cursor > 0 else capacity - 1, reach)
        reach += 1
        if cursor >= descriptor[LENGTH]:
            descriptor[LENGTH] = cursor + 1
        cursor = cursor + 1 if cursor + 1 < capacity else 0
    memory[cursor] = SEPARATOR
    if cursor >= descriptor[LENGTH]:
        descriptor[LENGTH] = cursor + 1
    return cursor + 1 if cursor + 1 < capacity else 0


class SharedStore:
    """Retrieval over a bounded ring of finished outputs.

    Args:
        number: Place in the hierarchy.
        capacity: Tokens the ring holds; the oldest are overwritten.
    """

    name = "store"

    def __init__(self, number: int, capacity: int) -> None:
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
        self._cursor = 0

    @property
    def capacity(self) -> int:
        """Tokens the ring holds."""
        return int(self.descriptors[0, CAPACITY])

    @property
    def tokens(self) -> int:
        """Tokens in the ring, separators included."""
        return int(self.descriptors[0, LENGTH])

    def add(self, tokens: Int32) -> None:
        """Adds one finished sequence, int32[length]; of a longer one than the ring, its end."""
        tokens = np.ascontiguousarray(tokens[-(self.capacity - 1) :], dtype=np.int32)
        if len(tokens) > 1:
            self._cursor = _write_ring(self.descriptors[0], self._cursor, 0, tokens)

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
