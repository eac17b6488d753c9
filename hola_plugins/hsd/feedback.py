"""Feedback: every level's predictions against the tokens that came, chosen or not.

Full information in the sense of HedgeSpec (arXiv 2510.20064): what a level would have drafted is judged
on the realised tokens for free, so the calibrated match probabilities follow the workload without bandit
exploration. Match is acceptance for greedy decoding and its expectation for sampling, since vLLM verifies
a draft without probabilities as a one-hot distribution.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hola_plugins.hsd.block import draft_views, evidence_views
from hola_plugins.hsd.level import (
    BUCKET,
    DRAFTED,
    OWNER,
    POSITION,
    REQUEST,
    SOURCE,
    TOKEN,
    TRAIL_FIELDS,
    WINDOW,
    Block,
    Evidence,
    Float32,
    Int32,
    Int64,
    Tokens,
)
from hola_plugins.hsd.memory import (
    address_table,
    float64_2d,
    int32_1d,
    int32_2d,
    int64_1d,
    int64_2d,
)

PROPOSED, JUDGED, MATCHED, KEPT, CHOSEN, ACCEPTED, COUNTERS = range(7)
"""Columns of the counters of a level."""

_MEMORY = 600.0
"""Judgements that a calibration bucket remembers; older ones fade."""

_PRIOR_WEIGHT = 8.0
"""Judgements that the prior counts for."""

_RATE = 0.15
"""Weight of the newest judgement in a level's recent success."""


@njit(cache=True, inline="always")
def _tally_views(table):
    """Views hits, trials and counters."""
    return float64_2d(table, 5), float64_2d(table, 6), int64_2d(table, 7)


@njit(cache=True, inline="always")
def _draft_views(table):
    """Views drafted_at, draft, draft_length, sent and owner of the drafts that wait for their tokens."""
    return (
        int64_1d(table, 8),
        int32_2d(table, 9),
        int32_1d(table, 10),
        int32_1d(table, 11),
        int32_2d(table, 12),
    )


@njit(cache=True, inline="always")
def _learn(hits, trials, calibration, level, bucket, hit) -> None:
    """Moves a bucket's match probability by one judgement."""
    if trials[level, bucket] >= _MEMORY:
        trials[level, bucket] *= 0.9
        hits[level, bucket] *= 0.9
    trials[level, bucket] += 1.0
    hits[level, bucket] += 1.0 if hit else 0.0
    calibration[level, bucket] = hits[level, bucket] / trials[level, bucket]


@njit(cache=True, nogil=True)
def score_rows(table, slots, lengths, buffer, learns) -> tuple[int, int]:
    """Scores the stored predictions of each row against its new tokens; gives the tokens sent and those accepted.

    The last new token of a row is always the target's own, so a draft that was cut short on its way to
    the target is not counted as accepted where that token happens to equal the next one of the draft.
    A prediction can be judged when its token has come and every drafted token before it was right.
    """
    trail, trail_length, calibration, success, resume = evidence_views(table)
    hits, trials, counters = _tally_views(table)
    drafted_at, draft, draft_length, sent, owner = _draft_views(table)
    sent_in_all, accepted_in_all = 0, 0
    for row in range(slots.shape[0]):
        slot = slots[row]
        if slot < 0 or drafted_at[slot] <= 0:
            continue
        start = drafted_at[slot]
        fresh = lengths[row] - start
        if fresh <= 0:
            continue
        right = 0
        while (
            right < draft_length[slot] and right < fresh and draft[slot, right] == buffer[row, start + right]
        ):
            right += 1
        for position in range(draft_length[slot]):
            counters[owner[slot, position], KEPT] += 1
        sent_in_all += sent[slot]
        for position in range(sent[slot]):
            level = owner[slot, position]
            counters[level, CHOSEN] += 1
            if position < right and position < fresh - 1:
                counters[level, ACCEPTED] += 1
                accepted_in_all += 1
        resume[slot] = -1
        for number in range(trail_length[slot]):
            counters[trail[slot, number, OWNER], PROPOSED] += 1
        for number in range(trail_length[slot]):
            position = trail[slot, number, POSITION]
            level = trail[slot, number, OWNER]
            if position > right or position >= fresh:
                continue
            hit = trail[slot, number, TOKEN] == buffer[row, start + position]
            bucket = trail[slot, number, BUCKET]
            if learns:
                _learn(hits, trials, calibration, level, bucket, hit)
            success[level, slot] += _RATE * ((1.0 if hit else 0.0) - success[level, slot])
            counters[level, JUDGED] += 1
            counters[level, MATCHED] += 1 if hit else 0
            if not hit and level == REQUEST and position == fresh - 1:
                resume[slot] = trail[slot, number, SOURCE] + 1
        drafted_at[slot] = 0
        trail_length[slot] = 0
    return sent_in_all, accepted_in_all


@njit(cache=True, nogil=True)
def store_drafts(table, block, slots, lengths, sent_rows) -> None:
    """Keeps what was drafted and sent for each slot until its tokens come."""
    drafted_at, draft, draft_length, sent, owner = _draft_views(table)
    window, state, _, owners, _ = draft_views(block)
    for row in range(slots.shape[0]):
        slot = slots[row]
        if slot < 0:
            continue
        drafted_at[slot] = lengths[row]
        draft_length[slot] = state[row, DRAFTED]
        sent[slot] = sent_rows[row]
        for position in range(state[row, DRAFTED]):
            draft[slot, position] = window[row, WINDOW + position]
            owner[slot, position] = owners[row, position]


class Feedback:
    """The predictions that wait for their tokens, and what is known of each level's reliability.

    Args:
        prior: Match probability by level and bucket before any evidence, float32[levels, buckets].
        slots: Requests that are tracked at once.
        max_draft: Longest draft.
        rounds: Rounds of the cascade, which bound the predictions of a call.
        learns: Whether the calibration follows the judgements of all requests; else it stays at the prior, and only
            a request's own recent success counts.
    """

    def __init__(
        self, prior: Float32, slots: int, max_draft: int, rounds: int, *, learns: bool = True
    ) -> None:
        self._learns = learns
        levels = prior.shape[0]
        self.calibration: Float32 = prior.astype(np.float32)
        self.success: Float32 = np.full((levels, slots), 0.5, dtype=np.float32)
        self.trail: Int32 = np.zeros((slots, 4 * max_draft + levels * rounds, TRAIL_FIELDS), dtype=np.int32)
        self.trail_length: Int32 = np.zeros(slots, dtype=np.int32)
        self.resume: Int32 = np.full(slots, -1, dtype=np.int32)
        self.counters: Int64 = np.zeros((levels, COUNTERS), dtype=np.int64)
        trials = np.full(prior.shape, _PRIOR_WEIGHT, dtype=np.float64)
        self._drafted_at = np.zeros(slots, dtype=np.int64)
        self.evidence: Evidence = (
            self.trail,
            self.trail_length,
            self.calibration,
            self.success,
            self.resume,
        )
        self._arrays = (
            *self.evidence,
            trials * prior,
            trials,
            self.counters,
            self._drafted_at,
            np.zeros((slots, max_draft), dtype=np.int32),
            np.zeros(slots, dtype=np.int32),
            np.zeros(slots, dtype=np.int32),
            np.zeros((slots, max_draft), dtype=np.int32),
        )
        self._table = address_table(*self._arrays)

    def score(self, tokens: Tokens) -> tuple[int, int]:
        """Judges what was predicted for each row of this call; gives the drafted tokens it had, and those accepted.

        What was drafted for a request that then ended, no step had.
        """
        sent, accepted = score_rows(self._table, tokens.slots, tokens.lengths, tokens.buffer, self._learns)
        return int(sent), int(accepted)

    def store(self, tokens: Tokens, block: Block, sent: Int32) -> None:
        """Keeps the drafts of a call, of which the target will see ``sent`` tokens each, int32[rows]."""
        store_drafts(self._table, block.table, tokens.slots, tokens.lengths, sent)

    def counts(self, level: int) -> dict[str, float]:
        """Gives the counters of one level."""
        counter = self.counters[level]
        return {
            "proposed": int(counter[PROPOSED]),
            "judged": int(counter[JUDGED]),
            "matched": int(counter[MATCHED]),
            "chosen": int(counter[CHOSEN]),
            "accepted": int(counter[ACCEPTED]),
            "gate_pass_rate": round(float(counter[KEPT] / max(counter[PROPOSED], 1)), 4),
        }

    def forget(self, slot: int) -> None:
        """Starts a slot anew."""
        self._drafted_at[slot] = 0
        self.trail_length[slot] = 0
        self.resume[slot] = -1
        self.success[:, slot] = 0.5
