"""What a windowed model holds of each request: a lane of its cache, and the tokens in it."""

from __future__ import annotations

import numpy as np
from numba import njit

from hola_plugins.hsd.block import draft_views
from hola_plugins.hsd.level import DRAFTED, WINDOW, Int32, Int64, Tokens


class Lanes:
    """Lanes of a windowed model, given to requests while they need one; the least recently used goes first.

    Args:
        lanes: How many.
        window: Tokens that a lane holds.
        slots: Requests that are tracked at once.
    """

    def __init__(self, lanes: int, window: int, slots: int) -> None:
        self.tokens: Int32 = np.zeros((lanes, window), dtype=np.int32)
        self.held: Int32 = np.zeros(lanes, dtype=np.int32)
        self.base: Int32 = np.zeros(lanes, dtype=np.int32)
        self._lane_of: Int64 = np.full(slots, -1, dtype=np.int64)
        self._owner: Int64 = np.full(lanes, -1, dtype=np.int64)
        self._used: Int64 = np.zeros(lanes, dtype=np.int64)
        self._clock = 0

    def find(self, slots: Int32) -> Int64:
        """Gives the lanes that these slots have, int64[rows], -1 for none; `assign` takes none of them until the next call."""
        self._clock += 1
        lanes = self._lane_of[slots]
        self._used[lanes[lanes >= 0]] = self._clock
        return lanes

    def free(self) -> int:
        """Gives how many lanes `assign` can take: those of requests that were not just looked for."""
        return int(np.count_nonzero(self._used < self._clock))

    def assign(self, slots: Int32) -> Int64:
        """Gives each of these slots a lane, int64[rows]; -1 where all lanes are taken by what was just looked for."""
        lanes = self._lane_of[slots]
        self._used[lanes[lanes >= 0]] = self._clock
        for row in np.flatnonzero(lanes < 0):
            lane = int(np.argmin(self._used))
            if self._used[lane] == self._clock:
                break
            self._take(lane, int(slots[row]))
            lanes[row] = lane
        return lanes

    def release(self, slot: int) -> None:
        """Frees the lane of a request that left."""
        lane = self._lane_of[slot]
        if lane >= 0:
            self._owner[lane] = self._lane_of[slot] = -1
            self.held[lane] = self._used[lane] = 0

    def _take(self, lane: int, slot: int) -> None:
        """Gives a lane to a new owner."""
        if self._owner[lane] >= 0:
            self._lane_of[self._owner[lane]] = -1
        self._owner[lane] = slot
        self._lane_of[slot] = lane
        self._used[lane] = self._clock
        self.held[lane] = 0
        self.base[lane] = 0

    def locate(self, block: Int64, tokens: Tokens, rows: Int64, lanes: Int64, judged: Int32) -> Int32:
        """Finds how much of each request its lane still holds, nothing without one, and moves windows that are full.

        Args:
            block: `Block.table`.
            tokens: The rows of this call.
            rows: Rows of interest, int64[n].
            lanes: Their lanes, int64[n]; -1 for none.
            judged: Tokens of each row's draft that need no second look, int32[n].

        Returns:
            How many tokens have to be run for each to reach the end of its draft, int32[n].
        """
        pending = np.empty(len(rows), dtype=np.int32)
        _locate(
            block,
            rows,
            lanes,
            judged,
            tokens.lengths,
            tokens.buffer,
            self.tokens,
            self.held,
            self.base,
            pending,
        )
        return pending

    def take(self, block: Int64, tokens: Tokens, rows: Int64, lanes: Int64, most: int) -> Int32:
        """Gives the next tokens to run, int32[n, most], -1 behind a row's last, and notes them in the lanes."""
        fed = np.full((len(rows), most), -1, dtype=np.int32)
        _take(block, rows, lanes, tokens.lengths, tokens.buffer, self.tokens, self.held, self.base, fed)
        return fed


@njit(cache=True, nogil=True)
def _token_at(window, row, draft_start, position, base, buffer):
    """Reads a token by its position in the window of the model: from the request, or behind it from the draft."""
    return (
        buffer[row, base + position]
        if position < draft_start
        else window[row, WINDOW + position - draft_start]
    )


@njit(cache=True, nogil=True)
def _locate(table, rows, lanes, judged, lengths, buffer, held_tokens, held, base, pending) -> None:
    """Does the work of `Lanes.locate`."""
    window, state, _, owner, _ = draft_views(table)
    size = held_tokens.shape[1]
    for one in range(rows.shape[0]):
        row, lane = rows[one], lanes[one]
        longest = owner.shape[1]
        if lane < 0:
            fits = lengths[row] + longest <= size
            pending[one] = (lengths[row] if fits else size // 2) + state[row, DRAFTED]
            continue
        if lengths[row] - base[lane] + longest > size:
            base[lane] = lengths[row] - size // 2
            held[lane] = 0
        context = lengths[row] - base[lane]
        drafted = state[row, DRAFTED]
        limit = min(held[lane], context - 1 + min(judged[one], drafted))
        same = 0
        while same < limit and held_tokens[lane, same] == _token_at(
            window, row, context, same, base[lane], buffer
        ):
            same += 1
        held[lane] = same
        pending[one] = context + drafted - same


@njit(cache=True, nogil=True)
def _take(table, rows, lanes, lengths, buffer, held_tokens, held, base, fed) -> None:
    """Does the work of `Lanes.take`."""
    window, state, _, _, _ = draft_views(table)
    for one in range(rows.shape[0]):
        row, lane = rows[one], lanes[one]
        context = lengths[row] - base[lane]
        end = context + state[row, DRAFTED]
        for column in range(min(fed.shape[1], end - held[lane])):
            position = held[lane] + column
            token = _token_at(window, row, context, position, base[lane], buffer)
            fed[one, column] = token
            held_tokens[lane, position] = token
