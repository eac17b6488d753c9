"""Operations on a block of drafts: open it, append a token, leave an offer, commit the offers.

The functions take the arrays of `hola_plugins.hsd.level.Block` so that a level's numba kernel can call
them; a level written in Python may call them as well.
"""

from __future__ import annotations

from numba import njit

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
    TOKEN,
    WINDOW,
)


@njit(cache=True, nogil=True)
def open_rows(window, state, chance, survival, trail_length, slots, lengths, rooms, buffer) -> int:
    """Starts an empty draft for each row and gives how many rows are open.

    Args:
        window: `Block.window`.
        state: `Block.state`.
        chance: `Block.chance`.
        survival: `Block.survival`.
        trail_length: `Block.trail_length`.
        slots: Slot of each row, -1 where nothing is drafted.
        lengths: Tokens of each row.
        rooms: Longest draft of each row.
        buffer: Token ids of each row.
    """
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
        for back in range(WINDOW):
            where = lengths[row] - WINDOW + back
            window[row, back] = buffer[row, where] if where >= 0 else -1
    return opened


@njit(cache=True, nogil=True)
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
def offer_token(state, chance, row, token, level, probability) -> None:
    """Leaves a guess for the next position; the likeliest offer of a round is the one that counts."""
    last = chance.shape[1] - 1
    if probability > chance[row, last]:
        chance[row, last] = probability
        state[row, OFFER_TOKEN] = token
        state[row, OFFER_LEVEL] = level


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def commit_offers(window, state, chance, owner, survival, floor, least_survival) -> int:
    """Ends a round: takes each open row's offer if it is worth a token, closes the row otherwise.

    Returns:
        The number of rows that are still open.
    """
    still_open = 0
    last = chance.shape[1] - 1
    for row in range(state.shape[0]):
        if state[row, OPEN] == 0:
            continue
        probability = chance[row, last]
        full = state[row, DRAFTED] >= state[row, ROOM]
        worth = probability >= floor and survival[row] * probability >= least_survival
        if full or state[row, OFFER_LEVEL] < 0 or not worth:
            state[row, OPEN] = 0
            continue
        append_token(
            window,
            state,
            chance,
            owner,
            survival,
            row,
            state[row, OFFER_TOKEN],
            state[row, OFFER_LEVEL],
            probability,
        )
        if state[row, DRAFTED] >= state[row, ROOM]:
            state[row, OPEN] = 0
        else:
            still_open += 1
    return still_open


@njit(cache=True, inline="always")
def rate_bucket(rate: float) -> int:
    """Sorts a match rate into four classes."""
    return int(rate >= 0.45) + int(rate >= 0.7) + int(rate >= 0.9)
