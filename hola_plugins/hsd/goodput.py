"""Draft lengths that maximise goodput: expected tokens per second of target time.

With survival probabilities s (a draft's tokens up to here are all accepted) and the step time T(N) at N
tokens, the drafts of a batch are cut where tokens gained per time is largest (the objective of
TurboSpec, arXiv 2406.14066). Survival falls along a draft, so one threshold over the whole batch gives
the exact optimum up to the width of a bin.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hola_plugins.hsd.level import DRAFTED, SLOT

BINS = 256
"""Bins of survival on a square-root scale, finer near 0."""


@njit(cache=True, nogil=True)
def cut_drafts(state, chance, step_time, base, rows, least_gain, sent):
    """Chooses how many tokens of each draft to send; what is no probability ends a draft.

    Args:
        state: `Block.state`.
        chance: `Block.chance`.
        step_time: Time of a step by its number of tokens, float64[tokens + 1].
        base: Tokens that the next step runs without drafts.
        rows: Rows of ``state`` in use.
        least_gain: Share by which the goodput must exceed that without drafts for any to be sent.
        sent: Receives the draft length of each row, int32[rows].

    Returns:
        The survival threshold, 2 where no draft is worth its time; the goodput with it; and the tokens expected
        of all that was drafted.
    """
    tokens = np.zeros(BINS, dtype=np.int64)
    gain = np.zeros(BINS, dtype=np.float64)
    for row in range(rows):
        sent[row] = 0
        if state[row, SLOT] < 0:
            continue
        survival = 1.0
        for position in range(state[row, DRAFTED]):
            survival *= chance[row, position]
            if not 0.0 <= survival <= 1.0:
                break
            where = int(min(BINS - 1.0, np.sqrt(survival) * BINS))
            tokens[where] += 1
            gain[where] += survival
    limit = step_time.shape[0] - 1
    count = min(base, limit)
    expected = np.float64(base)
    undrafted = expected / step_time[count]
    best, threshold = undrafted, 2.0
    for where in range(BINS - 1, -1, -1):
        if tokens[where] == 0:
            continue
        count = min(count + tokens[where], limit)
        expected += gain[where]
        goodput = expected / step_time[count]
        if goodput > best:
            best = goodput
            threshold = (where / BINS) ** 2
    if best < (1.0 + least_gain) * undrafted:
        best, threshold = undrafted, 2.0
    keep_above(state, chance, threshold, rows, sent)
    return threshold, best, expected


@njit(cache=True, nogil=True)
def keep_above(state, chance, threshold, rows, sent) -> None:
    """Cuts each draft before its survival falls under ``threshold`` or is no probability."""
    for row in range(rows):
        sent[row] = 0
        if state[row, SLOT] < 0:
            continue
        survival = 1.0
        for position in range(state[row, DRAFTED]):
            survival *= chance[row, position]
            if not threshold <= survival <= 1.0:
                break
            sent[row] = position + 1
