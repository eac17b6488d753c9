"""Whatever the drafts are, what leaves the sanitiser is legal."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.hsd.sanitiser import DraftLimits, sanitise


@settings(max_examples=200, deadline=None)
@given(data=st.data(), rows=st.integers(0, 6), longest=st.integers(1, 9), vocabulary=st.integers(1, 50))
def test_output_is_always_legal(data: st.DataObject, rows: int, longest: int, vocabulary: int) -> None:
    tokens = st.integers(-(2**31), 2**31 - 1) | st.integers(0, vocabulary - 1)
    flat = data.draw(st.lists(tokens, min_size=rows * longest, max_size=rows * longest))
    small = st.lists(st.integers(-3, 12), min_size=rows, max_size=rows)
    lengths, room = data.draw(small), [max(0, value) for value in data.draw(small)]
    drafts, cut = sanitise(
        np.array(flat, dtype=np.int64).astype(np.int32).reshape(rows, longest),
        np.array(lengths, dtype=np.int32),
        np.array(room, dtype=np.int32),
        vocabulary,
    )
    assert len(drafts) == rows
    for draft, allowed in zip(drafts, room, strict=True):
        assert type(draft) is list
        assert len(draft) <= allowed
        assert all(type(token) is int and 0 <= token < vocabulary for token in draft)
    assert 0 <= cut <= rows


def test_legal_drafts_pass_unchanged() -> None:
    drafts = np.arange(8, dtype=np.int32).reshape(2, 4)
    assert sanitise(drafts, np.array([4, 2], np.int32), np.array([4, 4], np.int32), 8) == (
        [[0, 1, 2, 3], [4, 5]],
        0,
    )


def test_a_draft_ends_at_its_room_and_before_an_id_outside_the_vocabulary() -> None:
    drafts = np.array([[1, 99, 2], [1, 2, 3]], dtype=np.int32)
    assert sanitise(drafts, np.array([3, 3], np.int32), np.array([3, 2], np.int32), 8) == ([[1], [1, 2]], 2)


def test_room_ends_at_the_longest_request_and_at_unsampled_rows() -> None:
    limits = DraftLimits(max_draft=8, vocabulary=10, max_length=100)
    room = limits.room(np.array([1, 0, 2, 1], np.int32), np.array([10, 10, 95, 100], np.int32))
    assert room.tolist() == [8, 0, 4, 0]
