"""The levels without a model, asked in one kernel: each row goes through all of its rounds at once.

Asking them one by one, as `Level.extend` does, gives the same drafts, since no row looks at another; but it calls a
kernel for every level and round.
"""

from __future__ import annotations

from numba import njit

from hola_plugins.hsd.block import commit_offer, draft_views, evidence_views, walk_views
from hola_plugins.hsd.level import OPEN, REQUEST, STORE, TRANSITIONS, Block, Gate
from hola_plugins.hsd.request_index import RequestIndex
from hola_plugins.hsd.retrieval import extend_row
from hola_plugins.hsd.shared_store import SharedStore
from hola_plugins.hsd.transition_table import TransitionTable
from hola_plugins.hsd.transition_table import extend_row as extend_row_by_counts


@njit(cache=True, nogil=True)
def _extend_rows(block, index, ring, table, asked, sure, floor, least_survival, rounds) -> None:
    """Does the work of `Lookups.extend`."""
    drafts, evidence, walks = draft_views(block), evidence_views(block), walk_views(block)
    window, state, chance, owner, survival = drafts
    by_index, by_ring, by_table = asked & 1 << REQUEST, asked & 1 << STORE, asked & 1 << TRANSITIONS
    for row in range(state.shape[0]):
        left = rounds
        while left > 0 and state[row, OPEN] != 0:
            if by_index:
                walk = walks[REQUEST, row]
                extend_row(drafts, evidence, walk, row, index, False, REQUEST, sure, least_survival)
            if by_ring:
                walk = walks[STORE, row]
                extend_row(drafts, evidence, walk, row, ring, True, STORE, sure, least_survival)
            if by_table:
                extend_row_by_counts(drafts, evidence, row, table, TRANSITIONS, sure, least_survival)
            left -= 1
            if left > 0:
                commit_offer(window, state, chance, owner, survival, row, floor, least_survival)


class Lookups:
    """The request index, the shared store and the transition table of one engine.

    Args:
        request: The request index.
        store: The shared store.
        transitions: The transition table.
    """

    def __init__(self, request: RequestIndex, store: SharedStore, transitions: TransitionTable) -> None:
        self._memory = (request.descriptors, store.descriptors, transitions.table)

    def extend(self, block: Block, gate: Gate, asked: int, rounds: int) -> None:
        """Continues the open rows in place.

        Args:
            block: The block.
            gate: What is kept.
            asked: The levels that take part, bit by number.
            rounds: How often they are asked, with the best offer taken in between; that of the last round is left.
        """
        _extend_rows(block.table, *self._memory, asked, gate.sure, gate.floor, gate.survival, rounds)
