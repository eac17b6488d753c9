"""An incremental hash index over token sequences: the structure behind both retrieval levels.

One sequence (or a ring of many) lives in a single int32 allocation::

    tokens[capacity] | previous[orders][capacity] | heads[orders][buckets]

``heads`` maps the hash of the last ``n`` tokens to the newest position that ended such a context;
``previous`` chains older ones. A position is entered once its successor is known, so each candidate has
a continuation. Hash collisions and overwritten ring positions are harmless: every candidate is
confirmed against the tokens themselves and extended backwards to its true match length.

The functions run inside numba kernels and receive the memory by address, so that one kernel call serves
a whole batch of sequences of different sizes.
"""

from __future__ import annotations

import numpy as np
from numba import carray, njit

from hola_plugins.hsd.memory import int32_pointer

ORDERS = np.array([1, 2, 4, 8, 16], dtype=np.int64)
"""Context lengths with an own hash chain, ascending."""

MAX_MATCH = 24
"""Match lengths are confirmed up to this many tokens."""

MAX_CANDIDATES = 4
"""Occurrences of a context that vote on its continuation."""

MAX_CHAIN = 4
"""Links that are followed in one chain; bounds the time of a lookup."""

SEPARATOR = -1
"""Stands between two sequences of a ring and where no token is yet; matches nothing."""

ADDRESS, CAPACITY, BUCKETS, LENGTH = range(4)
"""Columns of a descriptor row (int64)."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def index_size(capacity: int, buckets: int) -> int:
    """Gives the int32 count of an index with these capacities."""
    return int(capacity + len(ORDERS) * (capacity + buckets))


def bucket_count(capacity: int) -> int:
    """Gives the hash buckets of one order: a power of two between half the capacity and the capacity."""
    return 1 << max(6, (max(capacity, 2) - 1).bit_length() - 1)


@njit(cache=True, inline="always")
def index_memory(address: int, capacity: int, buckets: int) -> np.ndarray:
    """Views the memory of an index as one int32 array."""
    return carray(int32_pointer(address), (capacity + len(ORDERS) * (capacity + buckets),))


@njit(cache=True, inline="always")
def _head_of(value, capacity, buckets, order):
    """Gives where in the memory the chain of a context with this hash starts."""
    return capacity * (1 + len(ORDERS)) + order * buckets + (np.int64(value >> np.uint64(32)) & (buckets - 1))


@njit(cache=True, nogil=True)
def enter_position(memory: np.ndarray, capacity: int, buckets: int, position: int, reach: int) -> None:
    """Enters the contexts that end at ``position`` into every chain.

    Args:
        memory: The index.
        capacity: Tokens it holds.
        buckets: Hash buckets of one order.
        position: Index of the last context token; its successor is already stored.
        reach: Tokens before and including ``position`` that belong to the sequence.
    """
    value = np.uint64(0)
    depth = 0
    for order in range(len(ORDERS)):
        if ORDERS[order] > reach:
            return
        while depth < ORDERS[order]:
            where = position - depth
            if where < 0:
                where += capacity
            token = memory[where]
            if token < 0:
                return
            value = (value + np.uint64(token + 1)) * _MULTIPLIER
            depth += 1
        head = _head_of(value, capacity, buckets, order)
        if memory[head] != position + 1:
            memory[capacity * (1 + order) + position] = memory[head]
            memory[head] = position + 1


@njit(cache=True, inline="always")
def match_length(memory: np.ndarray, capacity: int, position: int, window: np.ndarray, end: int) -> int:
    """Counts the equal tokens backwards from ``memory[position]`` and ``window[end - 1]``."""
    length = 0
    while length < MAX_MATCH:
        token = window[end - 1 - length]
        if token < 0 or memory[position] != token:
            return length
        length += 1
        position -= 1
        if position < 0:
            position += capacity
    return length


@njit(cache=True, inline="always")
def find_heads(capacity: int, buckets: int, window: np.ndarray, end: int, heads: np.ndarray) -> int:
    """Finds where in the memory the chains of the context ``window[:end]`` start; gives how many orders it has.

    Args:
        capacity: Tokens the index holds.
        buckets: Hash buckets of one order.
        window: The last tokens of the sequence, then the draft so far.
        end: Where the context ends in ``window``.
        heads: Receives the place of each order's head, int64[orders].
    """
    value = np.uint64(0)
    depth = 0
    for order in range(len(ORDERS)):
        while depth < ORDERS[order]:
            token = window[end - 1 - depth]
            if token < 0:
                return order
            value = (value + np.uint64(token + 1)) * _MULTIPLIER
            depth += 1
        heads[order] = _head_of(value, capacity, buckets, order)
    return len(ORDERS)


@njit(cache=True, inline="always")
def find_candidates(
    memory: np.ndarray,
    capacity: int,
    buckets: int,
    length: int,
    window: np.ndarray,
    end: int,
    positions: np.ndarray,
    matches: np.ndarray,
    links: np.ndarray,
) -> int:
    """Finds earlier occurrences of the context ``window[:end]``, longest first.

    Args:
        memory: The index.
        capacity: Tokens it holds.
        buckets: Hash buckets of one order.
        length: Tokens stored.
        window: The last tokens of the sequence, then the draft so far.
        end: Where the context ends in ``window``.
        positions: Receives the position of each continuation, int64[MAX_CANDIDATES].
        matches: Receives the match lengths, int64[MAX_CANDIDATES].
        links: Working memory, int64[orders].

    Returns:
        The number of candidates.
    """
    known = find_heads(capacity, buckets, window, end, links)
    count = 0
    for order in range(known - 1, -1, -1):
        link = memory[links[order]]
        for _ in range(MAX_CHAIN):
            if link <= 0:
                break
            position = link - 1
            following = position + 1 if position + 1 < capacity else 0
            matched = match_length(memory, capacity, position, window, end)
            if matched >= ORDERS[order] and following < length and memory[following] >= 0:
                fresh = True
                for seen in range(count):
                    fresh = fresh and positions[seen] != following
                if fresh:
                    positions[count] = following
                    matches[count] = matched
                    count += 1
                    if count == MAX_CANDIDATES:
                        return count
            link = memory[capacity * (1 + order) + position]
        if count >= 2:
            return count
    return count
