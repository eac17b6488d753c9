"""Request identity from content: vLLM tells a proposer rows, not requests.

A row continues the request whose tokens it starts with. Rows move between calls, requests vanish and
come back elsewhere, and calls are skipped; since all state is a function of the tokens, equal prefixes
are interchangeable and a wrong guess costs drafts, never output.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hola_plugins.hsd.hash_index import ADDRESS, BUCKETS, CAPACITY, LENGTH, index_memory
from hola_plugins.hsd.level import Int32, Int64

_TAIL = 8
"""Tokens compared before a row is taken for the continuation of its slot."""


@njit(cache=True, nogil=True)
def _continues(descriptors, slot, tokens, length, whole) -> bool:
    """Tells whether ``tokens[:length]`` starts with the slot's tokens (its last ones, or the whole)."""
    known = descriptors[slot, LENGTH]
    if known == 0 or known > length:
        return False
    memory = index_memory(descriptors[slot, ADDRESS], descriptors[slot, CAPACITY], descriptors[slot, BUCKETS])
    for position in range(known - 1, -1 if whole else max(-1, known - 1 - _TAIL), -1):
        if memory[position] != tokens[position]:
            return False
    return True


@njit(cache=True, nogil=True)
def match_rows(
    descriptors, last_call, row_slots, slots, lengths, buffer, emitted, call, exact
) -> tuple[int, int]:
    """Finds the slot of each row.

    Args:
        descriptors: The request index's descriptors, int64[slots, 4].
        last_call: Number of the call that saw each slot last, int64[slots]; updated.
        row_slots: Slot of each row in the last call, int32[max rows]; -1 for none.
        slots: Receives the slot of each row, -1 where a new one is needed.
        lengths: Tokens of each row.
        buffer: Token ids of each row.
        emitted: Tokens that each row emitted since.
        call: Number of this call.
        exact: Whether a row continues a slot only where the slot holds all that the row had before it emitted these
            tokens, and nothing else; else a slot may be behind, and in its own place a row is known by its last
            tokens.

    Returns:
        The number of rows without a slot, and of rows whose slot does not hold just what they had before they emitted.
    """
    missing = 0
    jumped = 0
    for row in range(lengths.shape[0]):
        slot = row_slots[row]
        slots[row] = -1
        if (
            slot >= 0
            and last_call[slot] != call
            and not (exact and descriptors[slot, LENGTH] != lengths[row] - emitted[row])
            and _continues(descriptors, slot, buffer[row], lengths[row], exact)
        ):
            slots[row] = slot
            last_call[slot] = call
            jumped += int(descriptors[slot, LENGTH] != lengths[row] - emitted[row])
        else:
            missing += 1
    if missing == 0:
        return 0, jumped
    for row in range(lengths.shape[0]):
        if slots[row] >= 0:
            continue
        best = -1
        for slot in range(descriptors.shape[0]):
            longer = best < 0 or descriptors[slot, LENGTH] > descriptors[best, LENGTH]
            if (
                longer
                and last_call[slot] != call
                and not (exact and descriptors[slot, LENGTH] != lengths[row] - emitted[row])
                and _continues(descriptors, slot, buffer[row], lengths[row], False)
                and _continues(descriptors, slot, buffer[row], lengths[row], True)
            ):
                best = slot
        if best >= 0:
            slots[row] = best
            last_call[best] = call
            missing -= 1
            jumped += int(descriptors[best, LENGTH] != lengths[row] - emitted[row])
    return missing, jumped


class Tracker:
    """Slots for requests, found by content and evicted by age.

    Args:
        slots: Requests tracked at once; at least the host's largest batch.
        max_rows: The host's largest batch.
        descriptors: The request index's descriptors, which hold each slot's tokens.
        exact: Whether a request that begins or ends like another is told apart, at the price of comparing it whole and
            of starting anew after a call that was skipped.
    """

    def __init__(self, slots: int, max_rows: int, descriptors: Int64, exact: bool = False) -> None:
        self._descriptors = descriptors
        self._exact = exact
        self._row_slots = np.full(max_rows, -1, dtype=np.int32)
        self._call = 0
        self._as_before = False
        self._jumped = 0
        self.last_call: Int64 = np.full(slots, -1, dtype=np.int64)

    @property
    def call(self) -> int:
        """Number of the current call."""
        return self._call

    def identify(self, lengths: Int32, buffer: Int32, emitted: Int32) -> tuple[Int32, list[int]]:
        """Gives the slot of each row, int32[rows], and the slots that were taken for new requests.

        A new request takes the slot that was unseen for longest; whoever holds state for it must forget.
        """
        self._call += 1
        rows = len(lengths)
        slots = np.empty(rows, dtype=np.int32)
        missing, self._jumped = match_rows(
            self._descriptors,
            self.last_call,
            self._row_slots[:rows],
            slots,
            lengths,
            buffer,
            emitted,
            self._call,
            self._exact,
        )
        taken: list[int] = []
        if missing:
            for row in np.flatnonzero(slots < 0):
                slot = int(np.argmin(self.last_call))
                self.last_call[slot] = self._call
                slots[row] = slot
                taken.append(slot)
        before = self._row_slots.tobytes()
        self._row_slots[:rows] = slots
        self._row_slots[rows:] = -1
        self._as_before = self._row_slots.tobytes() == before
        return slots, taken

    @property
    def jumped(self) -> bool:
        """Whether a row was not what its slot held: a next turn, the same prompt again, or calls that were skipped."""
        return self._jumped > 0

    def ahead(self, slots: Int32, lengths: Int32) -> list[int]:
        """Gives the rows of which a slot in use holds fewer tokens than ``lengths`` says, int32[rows]."""
        known = self._descriptors[slots, LENGTH]
        return [int(row) for row in np.flatnonzero((known > 0) & (known < lengths))]

    def left(self) -> list[int]:
        """Gives the slots that took part in the last call and not in this one."""
        if self._as_before:
            return []
        return [int(slot) for slot in np.flatnonzero(self.last_call == self._call - 1)]

    def used(self) -> int:
        """Gives the number of requests remembered."""
        return int(np.count_nonzero(self.last_call >= 0))
