"""Extending drafts from a hash index: find occurrences of the context, let them vote, follow the winner."""

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
    walk_views,
)
from hola_plugins.hsd.hash_index import (
    ADDRESS,
    BUCKETS,
    CAPACITY,
    LENGTH,
    MAX_CANDIDATES,
    find_candidates,
    index_memory,
)
from hola_plugins.hsd.level import (
    DRAFTED,
    OPEN,
    ROOM,
    SLOT,
    WALK_CANDIDATES,
    WALK_COUNT,
    WALK_END,
    WALK_TOKEN,
    WINDOW,
)

MATCH_CLASSES = 10
"""Classes of match length: 0 is a copy resumed after a wrong token, 9 is a match of over 20 tokens."""

AGREEMENT_CLASSES = 5
"""Classes of agreement: one occurrence only; several and unanimous; a large, small or no majority."""

RETRIEVAL_BUCKETS = MATCH_CLASSES * AGREEMENT_CLASSES * 4 * 2
"""Calibration buckets: match length, agreement, recent success, first or later position."""


@njit(cache=True, inline="always")
def _match_class(match: int) -> int:
    if match <= 4:
        return match
    if match <= 6:
        return 5
    if match <= 8:
        return 6
    if match <= 12:
        return 7
    return 8 if match <= 20 else 9


@njit(cache=True, inline="always")
def _agreement_class(share: float, voters: int) -> int:
    if voters == 1:
        return 0
    if share >= 0.999:
        return 1
    if share >= 0.75:
        return 2
    return 3 if share >= 0.5 else 4


@njit(cache=True, inline="always")
def vote(memory, positions, matches, count):
    """Weighs the candidates' next tokens.

    An occurrence weighs the cube of its match length plus one.

    Returns:
        The token with the most weight, the longest match behind it, its share of the weight, and the
        position in ``memory`` that it was read from.
    """
    first = memory[positions[0]]
    longest = matches[0]
    unanimous = True
    for one in range(1, count):
        unanimous = unanimous and memory[positions[one]] == first
        longest = max(longest, matches[one])
    if unanimous:
        return first, longest, 1.0, positions[0]
    best_weight = np.int64(-1)
    total = np.int64(0)
    best = 0
    for one in range(count):
        token = memory[positions[one]]
        weight = np.int64(0)
        reach = np.int64(0)
        for other in range(count):
            if memory[positions[other]] == token:
                side = matches[other] + 1
                weight += side * side * side
                reach = max(reach, matches[other])
        side = matches[one] + 1
        total += side * side * side
        if weight > best_weight:
            best_weight = weight
            best = one
            longest = reach
    return memory[positions[best]], longest, best_weight / total, positions[best]


@njit(cache=True, inline="always")
def _follow(memory, capacity, length, positions, matches, count, token):
    """Moves the candidates that predicted ``token`` one token on and drops the others."""
    kept = 0
    for one in range(count):
        if memory[positions[one]] != token:
            continue
        following = positions[one] + 1
        if following == capacity:
            following = 0
        if following < length and memory[following] >= 0:
            positions[kept] = following
            matches[kept] = matches[one] + 1
            kept += 1
    return kept


@njit(cache=True, inline="always")
def _candidates_of(walk):
    """Views the positions, the match lengths and the links of a walk's candidates."""
    matches = WALK_CANDIDATES + MAX_CANDIDATES
    links = matches + MAX_CANDIDATES
    return walk[WALK_CANDIDATES:matches], walk[matches:links], walk[links:]


@njit(cache=True, inline="always")
def _take_up(walk, window, end) -> int:
    """Continues a walk whose offer was taken; gives its candidates' count, 0 where there is none."""
    count = walk[WALK_COUNT]
    walk[WALK_COUNT] = 0
    return count if walk[WALK_END] == end and walk[WALK_TOKEN] == window[end - 1] else 0


@njit(cache=True, inline="always")
def _leave_off(walk, end, token, count) -> None:
    """Keeps the candidates behind an offer, for the case that it is taken."""
    walk[WALK_END] = end
    walk[WALK_TOKEN] = token
    walk[WALK_COUNT] = count


@njit(cache=True, inline="always")
def extend_row(drafts, evidence, walk, row, descriptors, shared, level, sure, least_survival) -> None:
    """Extends one open row.

    Args:
        drafts: What `draft_views` gives.
        evidence: What `evidence_views` gives.
        walk: The level's walk in this row.
        row: The row.
        descriptors: Index descriptors, int64[slots or 1, 4].
        shared: Whether one index serves all rows; a wrong copy is resumed in a request's own index only.
        level: The level's number.
        sure: `Gate.sure`.
        least_survival: `Gate.survival`.
    """
    window, state, chance, owner, survival = drafts
    trail, trail_length, calibration, success, resume = evidence
    slot = state[row, SLOT]
    index = 0 if shared else slot
    length = descriptors[index, LENGTH]
    if length == 0:
        return
    capacity, buckets = descriptors[index, CAPACITY], descriptors[index, BUCKETS]
    memory = index_memory(descriptors[index, ADDRESS], capacity, buckets)
    rate = rate_bucket(success[level, slot])
    positions, matches, links = _candidates_of(walk)
    count = _take_up(walk, window[row], WINDOW + state[row, DRAFTED])
    while state[row, DRAFTED] < state[row, ROOM]:
        position = state[row, DRAFTED]
        end = WINDOW + position
        if count == 0:
            count = find_candidates(
                memory, capacity, buckets, length, window[row], end, positions, matches, links
            )
            if count == 0 and not shared and position == 0 and 0 <= resume[slot] < length:
                positions[0] = resume[slot]
                matches[0] = 0
                count = 1
            if count == 0:
                return
        token, match, share, source = vote(memory, positions, matches, count)
        bucket = (_match_class(match) * AGREEMENT_CLASSES + _agreement_class(share, count)) * 8 + rate * 2
        bucket += np.int64(position > 0)
        probability = calibration[level, bucket]
        record_prediction(trail, trail_length, slot, position, token, level, bucket, source)
        count = _follow(memory, capacity, length, positions, matches, count, token)
        if probability < sure or survival[row] * probability < least_survival:
            offer_token(state, chance, row, token, level, probability)
            _leave_off(walk, end + 1, token, count)
            return
        append_token(window, state, chance, owner, survival, row, token, level, probability)


@njit(cache=True, nogil=True)
def extend_rows(table, descriptors, shared, level, sure, least_survival) -> None:
    """Extends every open row of a block, given by its table; for the other arguments see `extend_row`."""
    drafts, evidence, walks = draft_views(table), evidence_views(table), walk_views(table)
    state = drafts[1]
    for row in range(state.shape[0]):
        if state[row, OPEN] != 0:
            extend_row(
                drafts, evidence, walks[level, row], row, descriptors, shared, level, sure, least_survival
            )
