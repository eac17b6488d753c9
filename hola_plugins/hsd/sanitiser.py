"""The last check before drafts reach the engine, where a bad one is fatal.

vLLM stops at a row that is too long, an id outside the vocabulary or anything that is no list; see the
contract in `hola_plugins.vllm`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hola_plugins.hsd.level import Int32


@dataclass(frozen=True, slots=True)
class DraftLimits:
    """What the engine accepts.

    Attributes:
        max_draft: Longest draft in tokens.
        vocabulary: Number of token ids.
        max_length: Longest request in tokens, prompt and output.
    """

    max_draft: int
    vocabulary: int
    max_length: int

    def room(self, emitted: Int32, lengths: Int32) -> Int32:
        """Gives the longest legal draft of each row, int32[rows].

        Args:
            emitted: Tokens that each row emitted in this step; a row without any takes no draft.
            lengths: Tokens of each row so far.
        """
        room = np.minimum(self.max_length - 1 - lengths, self.max_draft)
        return np.where(emitted > 0, np.maximum(room, 0), 0).astype(np.int32)


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
    longest = drafts.shape[1]
    legal = np.minimum(np.minimum(np.maximum(lengths, 0), room), longest)
    wrong = (drafts < 0) | (drafts >= vocabulary)
    wrong &= np.arange(longest) < legal[:, None]
    if wrong.any():
        legal = np.where(wrong.any(axis=1), np.minimum(legal, wrong.argmax(axis=1)), legal)
    rows = drafts.tolist()
    return [row[:length] for row, length in zip(rows, legal.tolist(), strict=True)], int(
        (legal < lengths).sum()
    )
