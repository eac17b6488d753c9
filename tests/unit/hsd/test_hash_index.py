"""The index against a naive search."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.hsd.hash_index import (
    MAX_CANDIDATES,
    MAX_MATCH,
    ORDERS,
    SEPARATOR,
    bucket_count,
    enter_position,
    find_candidates,
    index_size,
)
from hola_plugins.hsd.level import WINDOW


def _naive_match(tokens: list[int], end: int) -> int:
    length = 0
    while (
        length < MAX_MATCH and length < end and tokens[end - 1 - length] == tokens[len(tokens) - 1 - length]
    ):
        length += 1
    return length


@settings(max_examples=200, deadline=None)
@given(tokens=st.lists(st.integers(0, 5), min_size=2, max_size=120))
def test_candidates_are_true_matches_and_the_newest_longest_is_found(tokens: list[int]) -> None:
    capacity, buckets = 128, 1 << 14
    memory = np.zeros(index_size(capacity, buckets), dtype=np.int32)
    memory[:capacity] = SEPARATOR
    memory[: len(tokens)] = tokens
    for position in range(len(tokens) - 1):
        enter_position(memory, capacity, buckets, position, position + 1)
    window = np.full(WINDOW + 8, -1, dtype=np.int32)
    tail = tokens[-WINDOW:]
    window[WINDOW - len(tail) : WINDOW] = tail
    positions = np.zeros(MAX_CANDIDATES, dtype=np.int64)
    matches = np.zeros(MAX_CANDIDATES, dtype=np.int64)
    links = np.zeros(len(ORDERS), dtype=np.int64)
    count = find_candidates(memory, capacity, buckets, len(tokens), window, WINDOW, positions, matches, links)
    naive = {end: _naive_match(tokens, end) for end in range(1, len(tokens))}
    for place in range(count):
        assert naive[int(positions[place])] == matches[place] >= 1
    assert len(set(positions[:count].tolist())) == count
    newest_by_order = [
        max((end for end, match in naive.items() if match >= order), default=None)
        for order in ORDERS.tolist()
    ]
    longest_order = max((place for place, end in enumerate(newest_by_order) if end is not None), default=None)
    if longest_order is not None and len(tail) >= ORDERS[longest_order]:
        assert count >= 1
        assert matches[:count].max() >= ORDERS[longest_order]


def test_bucket_count_is_a_power_of_two_near_the_capacity() -> None:
    for capacity in (64, 100, 1000, 40_000):
        buckets = bucket_count(capacity)
        assert buckets & (buckets - 1) == 0
        assert buckets >= 64
        assert capacity / 2 <= buckets <= max(64, capacity)
