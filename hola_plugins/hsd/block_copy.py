"""What a level of somebody else's may leave in a block: drafts within their rows, and probabilities.

The kernels of the other levels read the block without looking, so that what breaks this is undone as a whole.
"""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.level import (
    BUCKET,
    DRAFTED,
    OFFER_LEVEL,
    OPEN,
    OWNER,
    POSITION,
    ROOM,
    SLOT,
    WINDOW,
    Block,
    Float32,
)

_FEEDBACK = ("calibration", "success", "resume")
"""Arrays that belong to the feedback."""

_ARRAYS = (*_FEEDBACK, "walks", "trail", "trail_length", "window", "state", "chance", "owner", "survival")


class BlockError(ValueError):
    """A level left a block in which others would read what is not theirs."""


class BlockCopy:
    """A block as it was before a level was asked.

    Args:
        block: The block.
        level: Number of the level.
    """

    def __init__(self, block: Block, level: int) -> None:
        self._block = block
        self._level = level
        self._kept = {name: getattr(block, name).copy() for name in _ARRAYS}

    def undo(self) -> None:
        """Makes the block what it was."""
        for name, array in self._kept.items():
            getattr(self._block, name)[...] = array

    def check(self) -> None:
        """Checks what the level left.

        Raises:
            BlockError: It wrote where it may not, beyond a row, or what is no probability.
        """
        for name in _FEEDBACK:
            if not np.array_equal(getattr(self._block, name), self._kept[name]):
                raise BlockError(f"it changed {name!r}, which belongs to the drafter")
        changed = (self._block.walks != self._kept["walks"]).any(axis=(1, 2))
        if np.delete(changed, self._level).any():
            raise BlockError("it changed the walks of another level")
        self._check_rows()
        self._check_trail()

    def _check_rows(self) -> None:
        block, before = self._block, self._kept["state"]
        state, levels = block.state, block.calibration.shape[0]
        if (state[:, (SLOT, ROOM)] != before[:, (SLOT, ROOM)]).any() or (
            block.window[:, :WINDOW] != self._kept["window"][:, :WINDOW]
        ).any():
            raise BlockError("it changed a row's slot, room or context")
        asked = before[:, OPEN] != 0
        if ((state[:, OPEN] != 0) & ~asked).any():
            raise BlockError("it opened a row that was closed")
        drafted = state[asked, DRAFTED]
        if ((drafted < 0) | (drafted > state[asked, ROOM])).any() or (
            state[~asked, DRAFTED] != before[~asked, DRAFTED]
        ).any():
            raise BlockError("a draft is shorter than nothing or longer than its row's room")
        held = np.arange(block.owner.shape[1]) < state[:, DRAFTED, None]
        if not (_probable(block.chance[:, :-1][held]) and _probable(block.chance[asked, -1])):
            raise BlockError("a token's probability is not in 0..1")
        if not _probable(block.survival[asked]):
            raise BlockError("a draft's probability is not in 0..1")
        owners, offers = block.owner[held], state[asked, OFFER_LEVEL]
        if ((owners < 0) | (owners >= levels)).any() or ((offers < -1) | (offers >= levels)).any():
            raise BlockError(f"a token's level is not in 0..{levels - 1}")

    def _check_trail(self) -> None:
        block = self._block
        levels, buckets = block.calibration.shape
        lengths = block.trail_length
        if ((lengths < 0) | (lengths > block.trail.shape[1])).any():
            raise BlockError("more predictions are noted than there is room for")
        noted = block.trail[np.arange(block.trail.shape[1]) < lengths[:, None]]
        limits = ((OWNER, levels), (BUCKET, buckets), (POSITION, block.owner.shape[1] + 1))
        if any(((noted[:, field] < 0) | (noted[:, field] >= limit)).any() for field, limit in limits):
            raise BlockError("a prediction is noted for a level, bucket or position that there is not")


def _probable(values: Float32) -> bool:
    """Tells whether all values are probabilities; NaN is none."""
    return bool(((values >= 0.0) & (values <= 1.0)).all())
