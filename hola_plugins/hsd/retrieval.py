"""Extending drafts from a hash index: find occurrences of the context, let them vote, follow the winner."""

from __future__ import annotations

import numpy as np
from numba import njit

from hola_plugins.hsd.block import append_token, offer_token, rate_bucket, record_prediction
from hola_plugins.hsd.hash_index import (
    BUCKETS,
    CAPACITY,
    LENGTH,
    MAX_CANDIDATES,
    find_candidates,
    index_memory,
)
from hola_plugins.hsd.level import DRAFTED, OPEN, ROOM, SLOT, WINDOW, Block, Gate, Int64

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


@njit(cache=True, nogil=True)
def vote(memory, positions, matches, count):
    """Weighs the candidates' next tokens.

    An occurrence weighs the cube of its match length plus one.

    Returns:
        The token with the most weight, the longest match behind it, its share of the weight, and the
        position in ``memory`` that it was read from.
    """
    best_weight = -1.0
    best = 0
    longest = 0
    total = 0.0
    for one in range(count):
        token = memory[positions[one]]
        weight = 0.0
        reach = 0
        for other in range(count):
            if memory[positions[other]] == token:
                weight += (matches[other] + 1.0) ** 3
                reach = max(reach, matches[other])
        total += (matches[one] + 1.0) ** 3
        if weight > best_weight:
            best_weight = weight
            best = one
            longest = reach
    return memory[positions[best]], longest, best_weight / total, positions[best]


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def extend_rows(
    descriptors,
    shared,
    window,
    state,
    chance,
    owner,
    survival,
    trail,
    trail_length,
    calibration,
    success,
    resume,
    level,
    sure,
    least_survival,
) -> None:
    """Extends every open row from the index that belongs to it.

    Args:
        descriptors: Index descriptors, int64[slots or 1, 4].
        shared: Whether one index serves all rows.
        window: `Block.window`.
        state: `Block.state`.
        chance: `Block.chance`.
        owner: `Block.owner`.
        survival: `Block.survival`.
        trail: `Block.trail`.
        trail_length: `Block.trail_length`.
        calibration: `Block.calibration`.
        success: `Block.success`.
        resume: `Block.resume`; followed by a request's own index only.
        level: The level's number.
        sure: `Gate.sure`.
        least_survival: `Gate.survival`.
    """
    positions = np.empty(MAX_CANDIDATES, dtype=np.int64)
    matches = np.empty(MAX_CANDIDATES, dtype=np.int64)
    for row in range(state.shape[0]):
        if state[row, OPEN] == 0:
            continue
        slot = state[row, SLOT]
        descriptor = descriptors[0 if shared else slot]
        length = descriptor[LENGTH]
        if length == 0:
            continue
        capacity = descriptor[CAPACITY]
        memory = index_memory(descriptor)
        rate = rate_bucket(success[level, slot])
        count = 0
        while state[row, DRAFTED] < state[row, ROOM]:
            position = state[row, DRAFTED]
            looked_up = count == 0
            if looked_up:
                count = find_candidates(
                    memory,
                    capacity,
                    descriptor[BUCKETS],
                    length,
                    window[row],
                    WINDOW + position,
                    positions,
                    matches,
                )
                if count == 0 and not shared and position == 0 and 0 <= resume[slot] < length:
                    positions[0] = resume[slot]
                    matches[0] = 0
                    count = 1
                if count == 0:
                    break
            token, match, share, source = vote(memory, positions, matches, count)
            bucket = (_match_class(match) * AGREEMENT_CLASSES + _agreement_class(share, count)) * 8 + rate * 2
            bucket += np.int64(position > 0)
            probability = calibration[level, bucket]
            keep = probability >= sure and survival[row] * probability >= least_survival
            if not keep and not looked_up:
                count = 0
                continue
            record_prediction(trail, trail_length, slot, position, token, level, bucket, source)
            if not keep:
                offer_token(state, chance, row, token, level, probability)
                break
            append_token(window, state, chance, owner, survival, row, token, level, probability)
            count = _follow(memory, capacity, length, positions, matches, count, token)


def extend_from_index(descriptors: Int64, shared: bool, block: Block, gate: Gate, level: int) -> None:
    """Extends the open rows of a block from one index a slot, or from one that serves all.

    Args:
        descriptors: Index descriptors, int64[slots or 1, 4].
        shared: Whether one index serves all rows.
        block: The block.
        gate: What is kept.
        level: The level's number.
    """
    extend_rows(
        descriptors,
        shared,
        block.window,
        block.state,
        block.chance,
        block.owner,
        block.survival,
        block.trail,
        block.trail_length,
        block.calibration,
        block.success,
        block.resume,
        level,
        gate.sure,
        gate.survival,
    )
