"""Calls that no engine should make: HSD answers each with legal drafts, and loses nothing that it knew."""

from __future__ import annotations

import numpy as np
import pytest
from fake_runner import FakeRunner, Replay
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.sanitiser import DraftLimits

ROWS, WIDTH, VOCABULARY, LONGEST = 4, 64, 64, 8
IDS = st.sampled_from([0, 1, 2, 63, 64, -1, 2**31 - 1, -(2**31)])


def make_drafter():
    small = {"deterministic": True, "store": {"tokens": 1024, "transitions": 1024}, "max_requests": 5}
    return HierarchicalDrafter(HSDConfig.model_validate(small), DraftLimits(LONGEST, VOCABULARY, WIDTH), ROWS)


@st.composite
def calls(draw):
    """A batch of the right shape with any ids, or with a length that jumps."""
    rows = draw(st.integers(0, ROWS))
    lengths = draw(st.lists(st.integers(0, WIDTH), min_size=rows, max_size=rows))
    period = draw(st.lists(IDS, min_size=1, max_size=3))
    shifts = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    buffer = np.zeros((ROWS, WIDTH), np.int32)
    for row, shift in enumerate(shifts):
        buffer[row] = np.resize(np.roll(np.array(period, np.int64), shift), WIDTH).astype(np.int32)
    emitted = [draw(st.integers(0, min(9, length))) for length in lengths]
    sampled = [
        buffer[row, length - count : length].tolist()
        for row, (length, count) in enumerate(zip(lengths, emitted, strict=True))
    ]
    return sampled, np.resize(np.array([*lengths, 0], np.int32), ROWS), buffer


def check(drafts, sampled, lengths):
    assert len(drafts) == len(sampled)
    for draft, fresh, length in zip(drafts, sampled, lengths.tolist(), strict=False):
        assert all(type(token) is int and 0 <= token < VOCABULARY for token in draft)
        assert len(draft) <= max(0, min(LONGEST, WIDTH - 1 - length))
        assert fresh or not draft


@settings(max_examples=40, deadline=None)
@given(st.lists(calls(), min_size=1, max_size=8))
def test_any_ids_and_rows_that_jump_are_drafted_for_without_an_error(batches):
    drafter = make_drafter()
    for sampled, lengths, buffer in batches:
        check(drafter.propose(sampled, lengths, buffer), sampled, lengths)
    assert drafter.snapshot()["errors"] == 0


MALFORMED = {
    "negative lengths": lambda s, n, b: (s, n - 1000, b),
    "lengths over the buffer": lambda s, n, b: (s, n + 1000, b),
    "lengths near overflow": lambda s, n, b: (s, np.full_like(n, 2**31 - 1), b),
    "more emitted than there is": lambda s, n, b: ([[1] * 100 for _ in s], n, b),
    "too few lengths": lambda s, n, b: (s, n[:1], b),
    "too few rows in the buffer": lambda s, n, b: (s, n, b[:1]),
    "a narrow buffer": lambda s, n, b: (s, n, b[:, :2]),
    "a flat buffer": lambda s, n, b: (s, n, b.ravel()),
    "too many rows": lambda s, n, b: (s * 9, np.tile(n, 9), np.tile(b, (9, 1))),
    "wide integers": lambda s, n, b: (s, n.astype(np.int64), b),
    "floats": lambda s, n, b: (s, n, b.astype(np.float32)),
    "lists": lambda s, n, b: (s, n.tolist(), b.tolist()),
    "nothing": lambda s, n, b: (s, None, None),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_a_call_that_is_no_batch_costs_its_drafts_and_nothing_that_is_known(change, caplog):
    drafter = make_drafter()
    FakeRunner(drafter, ROWS, WIDTH, VOCABULARY, LONGEST).run(
        [Replay([1, 2, 3, 4, 5] * 8, prompt=9) for _ in range(6)]
    )
    before = drafter.snapshot()
    buffer = np.ones((ROWS, WIDTH), np.int32)
    sampled, lengths, buffer = change([[1], [1]], np.full(ROWS, 30, np.int32), buffer)
    for _ in range(2):
        assert drafter.propose(sampled, lengths, buffer) == [[] for _ in sampled]
    after = drafter.snapshot()
    assert after["errors"] == 2
    assert caplog.text.count("no batch") == 1 + caplog.text.count("MalformedCallError: no batch")
    assert (after["store"], after["tokens"], after["calls"]) == (
        before["store"],
        before["tokens"],
        before["calls"],
    )
