"""When a neural level is worth asking."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hola_plugins.hsd.asking import ForwardCost, rows_that_pay, worth_of_judging

chances = st.floats(0.0, 1.0)


def ask(reach, rest, rescue, *, full=False, price=0.05, token=0.01, cost=0.001, tokens=4):
    rows = len(reach)
    measured = ForwardCost()
    for count in (1, 8, 2, 16, 1, 4):
        measured.observe(count, cost)
    worth = worth_of_judging(
        np.array(reach, dtype=np.float32),
        np.array(rest, dtype=np.float32),
        np.array(rescue, dtype=np.float32),
        np.full(rows, full),
        price,
        token,
    )
    return rows_that_pay(worth, measured, np.full(rows, tokens, dtype=np.int32))[0].tolist()


def test_doubtful_and_short_drafts_are_judged() -> None:
    assert ask([1.0, 1.0], [0.2, 1.0], [0.6, 0.6]) == [0, 1]


def test_a_sure_draft_that_is_full_is_left_alone() -> None:
    assert ask([1.0, 1.0], [0.99, 0.3], [0.6, 0.6], full=True) == [1]


def test_an_unreliable_or_dear_level_is_not_asked() -> None:
    assert ask([1.0], [0.5], [0.02]) == []
    assert ask([1.0], [0.5], [0.8], cost=1.0) == []


def test_what_lies_behind_an_unlikely_draft_is_not_judged_again() -> None:
    assert ask([0.03], [1.0], [0.9]) == []


@given(chances, chances, chances, st.floats(1e-5, 1.0), st.floats(1e-5, 1.0))
def test_it_is_asked_only_where_tokens_are_worth_the_time(reach, rest, rescue, token, cost) -> None:
    asked = ask([reach], [rest], [rescue], price=0.0, token=token, cost=cost)
    assert not asked or token * reach * rescue >= cost * 0.999


def test_the_cost_of_a_pass_is_fitted() -> None:
    cost = ForwardCost()
    assert cost.seconds(1) == 0.0
    for tokens in (1, 8, 2, 16, 1, 4) * 10:
        cost.observe(tokens, 0.002 + 0.0001 * tokens)
    np.testing.assert_allclose([cost.seconds(1), cost.seconds(32)], [0.0021, 0.0052], rtol=1e-6)


def test_one_slow_pass_does_not_spoil_the_cost() -> None:
    cost = ForwardCost()
    for tokens in (1, 8, 2, 16, 1, 4) * 10:
        cost.observe(tokens, 0.002 + 0.0001 * tokens)
    cost.observe(1, 5.0)
    assert cost.seconds(1) < 0.003
