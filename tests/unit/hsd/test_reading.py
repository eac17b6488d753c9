"""When a neural level reads a context."""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.reading import ReadingAccount

TOKENS = np.array([100, 100], dtype=np.int32)
SLOTS = np.array([3, 5], dtype=np.int32)


def account(seconds: float = 0.01) -> ReadingAccount:
    """Gives one that knows what reading a hundred tokens takes."""
    made = ReadingAccount(8)
    made.spend(np.array([0], dtype=np.int32), 100, seconds)
    made.close(0)
    return made


def test_what_was_never_measured_is_read() -> None:
    assert ReadingAccount(8).pays(SLOTS, TOKENS).tolist() == [True, True]


def test_a_context_is_read_once_reading_would_have_saved_as_much_as_it_takes() -> None:
    made = account()
    paid = []
    for _ in range(4):
        made.credit(SLOTS, np.array([0.004, 0.001]))
        paid.append(made.pays(SLOTS, TOKENS).tolist())
    assert paid == [[False, False], [False, False], [True, False], [True, False]]


def test_what_was_spent_has_to_be_saved_again_before_the_next_reading() -> None:
    made = account()
    made.credit(SLOTS, np.array([0.015, 0.025]))
    made.spend(SLOTS, 200, 0.02)
    assert made.pays(SLOTS, TOKENS).tolist() == [False, True]


def test_where_requests_before_saved_enough_it_is_read_at_once() -> None:
    made = account()
    for _ in range(30):
        made.credit(SLOTS[:1], np.array([0.02]))
        made.close(3)
    assert made.pays(SLOTS, TOKENS).tolist() == [True, True]
    for _ in range(60):
        made.credit(SLOTS[:1], np.array([0.001]))
        made.close(3)
    assert made.pays(SLOTS, TOKENS).tolist() == [False, False]


def test_a_request_that_never_wanted_the_level_says_nothing_of_others() -> None:
    made = account()
    for _ in range(30):
        made.credit(SLOTS[:1], np.array([0.02]))
        made.close(3)
    for _ in range(100):
        made.close(5)
    assert made.pays(SLOTS, TOKENS).all()


def test_requests_that_are_gone_are_closed_and_count_for_others() -> None:
    made = account()
    for _ in range(30):
        made.credit(SLOTS, np.array([0.02, 0.02]))
        made.close_others(SLOTS[1:])
        made.close(5)
    assert made.pays(np.array([6], dtype=np.int32), TOKENS[:1]).all()


def test_nothing_of_one_request_counts_for_others_where_they_are_isolated() -> None:
    made = ReadingAccount(8, learns=False)
    made.spend(np.array([0], dtype=np.int32), 100, 0.01)
    made.credit(SLOTS, np.array([1.0, 1.0]))
    made.close_others(np.array([0], dtype=np.int32))
    assert not made.pays(SLOTS, TOKENS).any()
