"""Operations on a block of drafts: open it, append a token, leave an offer, commit the offers.

They run inside kernels on the arrays of `hola_plugins.hsd.level.Block`, which a kernel views through the
block's address table; a level written in Python may call them as well.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hola_plugins.hsd.hash_index import MAX_CANDIDATES, ORDERS
from hola_plugins.hsd.level import (
    BUCKET,
    DRAFTED,
    OFFER_LEVEL,
    OFFER_TOKEN,
    OPEN,
    OWNER,
    POSITION,
    ROOM,
    SLOT,
    SOURCE,
    STATE_FIELDS,
    TOKEN,
    WALK_CANDIDATES,
    WALK_COUNT,
    WINDOW,
    Block,
    Evidence,
)
from hola_plugins.hsd.memory import (
    address_table,
    float32_1d,
    float32_2d,
    int32_1d,
    int32_2d,
    int32_3d,
    int64_3d,
)


def make_block(rows: int, longest: int, evidence: Evidence) -> Block:
    """Allocates a block; what outlives a call belongs to the feedback and is passed in.

    Args:
        rows: Largest batch.
        longest: Longest draft.
        evidence: `Feedback.evidence`.
    """
    window = np.full((rows, WINDOW + longest), -1, dtype=np.int32)
    state = np.zeros((rows, STATE_FIELDS), dtype=np.int32)
    chance = np.zeros((rows, longest + 1), dtype=np.float32)
    owner = np.zeros((rows, longest), dtype=np.int32)
    survival = np.ones(rows, dtype=np.float32)
    fields = WALK_CANDIDATES + 2 * MAX_CANDIDATES + len(ORDERS)
    levels = len(evidence[2])
    walks = np.zeros((levels, rows, fields), dtype=np.int64)
    arrays = (*evidence, window, state, chance, owner, survival, walks)
    return Block(*arrays, table=address_table(*arrays))


@njit(cache=True, inline="always")
def evidence_views(table):
    """Views trail, trail_length, calibration, success and resume: the first rows of a block's or feedback's table."""
    return (
        int32_3d(table, 0),
        int32_1d(table, 1),
        float32_2d(table, 2),
        float32_2d(table, 3),
        int32_1d(table, 4),
    )


@njit(cache=True, inline="always")
def draft_views(table):
    """Views window, state, chance, owner and survival of a block."""
    return (
        int32_2d(table, 5),
        int32_2d(table, 6),
        float32_2d(table, 7),
        int32_2d(table, 8),
        float32_1d(table, 9),
    )


@njit(cache=True, inline="always")
def walk_views(table):
    """Views the walks of a block."""
    return int64_3d(table, 10)


@njit(cache=True, nogil=True)
def open_rows(table, slots, lengths, rooms, buffer) -> int:
    """Starts an empty draft for each row and gives how many rows are open.

    Args:
        table: `Block.table`.
        slots: Slot of each row, -1 where nothing is drafted.
        lengths: Tokens of each row.
        rooms: Longest draft of each row.
        buffer: Token ids of each row.
    """
    window, state, chance, _, survival = draft_views(table)
    _, trail_length, _, _, _ = evidence_views(table)
    walks = walk_views(table)
    opened = 0
    last = chance.shape[1] - 1
    for row in range(slots.shape[0], state.shape[0]):
        state[row, SLOT] = -1
        state[row, OPEN] = 0
    for row in range(slots.shape[0]):
        state[row, SLOT] = slots[row]
        state[row, DRAFTED] = 0
        state[row, ROOM] = rooms[row]
        state[row, OPEN] = 0
        if slots[row] < 0:
            continue
        trail_length[slots[row]] = 0
        if rooms[row] <= 0:
            continue
        state[row, OPEN] = 1
        state[row, OFFER_LEVEL] = -1
        chance[row, last] = 0.0
        survival[row] = 1.0
        opened += 1
        for level in range(walks.shape[0]):
            walks[level, row, WALK_COUNT] = 0
        for back in range(WINDOW):
            where = lengths[row] - WINDOW + back
            window[row, back] = buffer[row, where] if where >= 0 else -1
    return opened


@njit(cache=True, inline="always")
def append_token(window, state, chance, owner, survival, row, token, level, probability) -> None:
    """Appends one token to a row's draft and drops the offer for that position."""
    drafted = state[row, DRAFTED]
    window[row, WINDOW + drafted] = token
    chance[row, drafted] = probability
    owner[row, drafted] = level
    survival[row] *= probability
    state[row, DRAFTED] = drafted + 1
    state[row, OFFER_LEVEL] = -1
    chance[row, chance.shape[1] - 1] = 0.0


@njit(cache=True, nogil=True)
def truncate_draft(table, row, position) -> None:
    """Cuts a row's draft before ``position``; predictions that built on what is cut are not judged."""
    _, state, chance, _, _ = draft_views(table)
    trail, trail_length, _, _, _ = evidence_views(table)
    state[row, DRAFTED] = position
    state[row, OFFER_LEVEL] = -1
    chance[row, chance.shape[1] - 1] = 0.0
    slot = state[row, SLOT]
    kept = 0
    for entry in range(trail_length[slot]):
        if trail[slot, entry, POSITION] <= position:
            trail[slot, kept] = trail[slot, entry]
            kept += 1
    trail_length[slot] = kept


@njit(cache=True, nogil=True)
def fill_drafts(table, lengths) -> None:
    """Repeats the last token of each draft, or of its request, up to its room, and sets ``lengths`` to that, int32[rows]."""
    window, state, _, _, _ = draft_views(table)
    for row in range(lengths.shape[0]):
        for position in range(lengths[row], state[row, ROOM]):
            window[row, WINDOW + position] = window[row, WINDOW + position - 1]
        lengths[row] = state[row, ROOM]


@njit(cache=True, inline="always")
def offer_token(state, chance, row, token, level, probability) -> None:
    """Leaves a guess for the next position; the likeliest offer of a round is the one that counts."""
    last = chance.shape[1] - 1
    if probability > chance[row, last]:
        chance[row, last] = probability
        state[row, OFFER_TOKEN] = token
        state[row, OFFER_LEVEL] = level


@njit(cache=True, inline="always")
def record_prediction(trail, trail_length, slot, position, token, level, bucket, source) -> None:
    """Notes what a level predicted, to be scored against the tokens that come."""
    entry = trail_length[slot]
    if entry < trail.shape[1]:
        trail[slot, entry, POSITION] = position
        trail[slot, entry, TOKEN] = token
        trail[slot, entry, OWNER] = level
        trail[slot, entry, BUCKET] = bucket
        trail[slot, entry, SOURCE] = source
        trail_length[slot] = entry + 1


@njit(cache=True, inline="always")
def commit_offer(window, state, chance, owner, survival, row, floor, least_survival) -> None:
    """Ends an open row's round: takes its offer if it is worth a token, closes the row otherwise."""
    probability = chance[row, chance.shape[1] - 1]
    worth = probability >= floor and survival[row] * probability >= least_survival
    state[row, OPEN] = 0
    if state[row, DRAFTED] < state[row, ROOM] and state[row, OFFER_LEVEL] >= 0 and worth:
        token, level = state[row, OFFER_TOKEN], state[row, OFFER_LEVEL]
        append_token(window, state, chance, owner, survival, row, token, level, probability)
        state[row, OPEN] = int(state[row, DRAFTED] < state[row, ROOM])


@njit(cache=True, nogil=True)
def commit_offers(table, floor, least_survival) -> int:
    """Ends a round of every open row; gives how many are still open."""
    window, state, chance, owner, survival = draft_views(table)
    still_open = 0
    for row in range(state.shape[0]):
        if state[row, OPEN] != 0:
            commit_offer(window, state, chance, owner, survival, row, floor, least_survival)
            still_open += state[row, OPEN]
    return still_open


@njit(cache=True, inline="always")
def rate_bucket(rate: float) -> int:
    """Sorts a match rate into four classes."""
    return int(rate >= 0.45) + int(rate >= 0.7) + int(rate >= 0.9)
