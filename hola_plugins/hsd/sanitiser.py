"""The last check before drafts reach the engine, where a bad one is fatal.

vLLM stops at a row that is too long, an id outside the vocabulary or anything that is no list; see the
contract in `hola_plugins.vllm`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from hola_plugins.hsd.level import Int32


@dataclass(frozen=True, slots=True)
class DraftLimits:
    """What the engine accepts.

    Attributes:
        max_draft: Longest draft in tokens.
        vocabulary: Number of token ids.
        max_length: Longest request in tokens, prompt and output.
        full_graphs: Whether it runs a step in which every draft has `max_draft` tokens in one graph, others not.
    """

    max_draft: int
    vocabulary: int
    max_length: int
    full_graphs: bool = False

    def room(self, emitted: Int32, lengths: Int32) -> Int32:
        """Gives the longest legal draft of each row, int32[rows].

        Args:
            emitted: Tokens that each row emitted in this step; a row without any takes no draft.
            lengths: Tokens of each row so far.
        """
        room = np.empty(len(emitted), dtype=np.int32)
        _fill_room(emitted, lengths, self.max_draft, self.max_length, room)
        return room


@njit(cache=True, nogil=True)
def _fill_room(emitted, lengths, max_draft, max_length, room) -> None:
    """Writes the longest legal draft of each row."""
    for row in range(room.shape[0]):
        room[row] = max(0, min(max_draft, max_length - 1 - lengths[row])) if emitted[row] > 0 else 0


@njit(cache=True, nogil=True)
def _legal_lengths(drafts, lengths, room, vocabulary, legal) -> int:
    """Writes the length to which each draft is legal; gives how many rows that cuts."""
    cut = 0
    for row in range(legal.shape[0]):
        longest = max(0, min(lengths[row], room[row], drafts.shape[1]))
        length = 0
        while length < longest and 0 <= drafts[row, length] < vocabulary:
            length += 1
        legal[row] = length
        cut += length < lengths[row]
    return cut


def sanitise(drafts: Int32, lengths: Int32, room: Int32, vocabulary: int) -> tuple[list[list[int]], int]:
    """Makes drafts that the engine accepts.

    Args:
        drafts: Draft tokens, int32[rows, longest]; what is behind a row's length is ignored.
        lengths: Length of each draft, int32[rows].
        room: Longest legal draft of each row, int32[rows].
        vocabulary: Number of token ids.

    Returns:
        One list of Python ints a row, cut at the row's room and before the first id outside the
        vocabulary; and the number of rows that had to be cut.
    """
    legal = np.empty(len(lengths), dtype=np.int32)
    cut = _legal_lengths(drafts, lengths, room, vocabulary, legal)
    rows = drafts.tolist()
    return [row[:length] for row, length in zip(rows, legal.tolist(), strict=True)], int(cut)
