"""The contract: what a level of the drafting hierarchy sees and does.

The drafter hands every level, cheapest first, the same `Block`: per row a window of recent tokens with
the draft so far behind it. A level appends tokens while their calibrated match probability passes the
gate and otherwise leaves an *offer*, its best guess, which is committed when no stronger level does
better. This is the routing of HOLA (arXiv 2506.18952): keep the cheap level's token where its entropy is
low, ask the next level where it is high. The target model verifies every token in either case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

REQUEST, STORE, TRANSITIONS, INTERMEDIATE, AGREEMENT = range(5)
"""Numbers of the levels, the last one that of the intermediate level's agreement with a cheap one."""

FIRST_FURTHER = (INTERMEDIATE, AGREEMENT + 1)
"""Number of the first further level, without and with the intermediate one."""

WINDOW = 32
"""Tokens of context in front of the draft in a block's window."""

SLOT, DRAFTED, ROOM, OPEN, OFFER_TOKEN, OFFER_LEVEL, STATE_FIELDS = range(7)
"""Columns of `Block.state`."""

POSITION, TOKEN, OWNER, BUCKET, SOURCE, TRAIL_FIELDS = range(6)
"""Columns of a trail entry: what a level predicted, where, and from which position of its memory."""

WALK_END, WALK_TOKEN, WALK_COUNT, WALK_CANDIDATES = range(4)
"""Columns of a walk: draft length it continues at, the token it offered there, candidates left, and from the
last column on their positions, their match lengths and a link of each order."""


@dataclass(frozen=True, slots=True)
class Gate:
    """When a level's token is kept.

    Attributes:
        sure: Match probability from which a token is kept without asking a stronger level.
        floor: Probability under which no token is drafted, whoever proposes it.
        survival: Probability that the target accepts the whole draft under which it ends.
        price: Survival under which a token does not pay for its verification.
        token_seconds: Seconds that serving takes for one token of the batch; None without a clock or before
            it is measured.
    """

    sure: float
    floor: float
    survival: float
    price: float = 0.0
    token_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What is known of the requests of this call, one row a request.

    Attributes:
        slots: Slot of each row, int32[rows]; -1 where the row takes no part.
        lengths: Tokens of each row, int32[rows].
        buffer: The host's token ids, int32[>= rows, max_model_len]; valid during the call only.
    """

    slots: Int32
    lengths: Int32
    buffer: Int32


Evidence = tuple[Int32, Int32, Float32, Float32, Int32]
"""What a block shares with the feedback: trail, trail_length, calibration, success and resume."""


@dataclass(frozen=True, slots=True)
class Block:
    """The drafts of one call while they grow.

    Attributes:
        trail: Every prediction of every level, int32[slots, entries, TRAIL_FIELDS].
        trail_length: Entries used, int32[slots].
        calibration: Match probability by level and bucket, float32[levels, buckets].
        success: Recent match rate of a level in a request, float32[levels, slots].
        resume: Position after the token that the last draft got wrong, int32[slots]; -1 for none.
        window: Context and draft, int32[rows, WINDOW + max_draft]; -1 where there is no token.
        state: One row of `STATE_FIELDS` columns a request, int32.
        chance: Match probability of each drafted token, float32[rows, max_draft + 1]; the last column is
            that of the offer.
        owner: Level that drafted each token, int32[rows, max_draft].
        survival: Probability that the whole draft is accepted, float32[rows].
        walks: Where a retrieval level's candidates stand while the draft grows, int64[levels, rows, fields];
            see `hola_plugins.hsd.retrieval`.
        table: The addresses of all of them for kernels, in this order; see `hola_plugins.hsd.memory`.
    """

    trail: Int32
    trail_length: Int32
    calibration: Float32
    success: Float32
    resume: Int32
    window: Int32
    state: Int32
    chance: Float32
    owner: Int32
    survival: Float32
    walks: Int64
    table: Int64


class Level(Protocol):
    """One level of the hierarchy. A failure is raised: the drafter counts it and backs off.

    Attributes:
        name: The name in settings and counters.
        number: Its place in the hierarchy and its row in the calibration.
    """

    name: str
    number: int

    def learn(self, tokens: Tokens) -> None:
        """Takes in the tokens that came since the last call."""

    def extend(self, block: Block, gate: Gate) -> None:
        """Continues the open rows of ``block`` in place; see `hola_plugins.hsd.block`."""

    def forget(self, slot: int) -> None:
        """Drops what belongs to one request."""
