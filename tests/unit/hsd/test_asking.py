"""When a neural level is worth asking."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hola_plugins.hsd.asking import ForwardCost, worth_asking

chances = st.floats(0.0, 1.0)


def ask(survival, match, offered, *, price=0.05, token=0.01, first=0.001, following=0.001, room=8, rounds=8):
    rows = len(survival)
    return worth_asking(
        np.array(survival, dtype=np.float32),
        np.array(match, dtype=np.float32),
        np.array(offered, dtype=np.float32),
        np.full(rows, room, dtype=np.int32),
        price,
        token,
        first,
        following,
        rounds,
    ).tolist()


def test_a_reliable_level_is_asked_where_the_cheap_ones_have_nothing() -> None:
    assert ask([1.0, 1.0], [0.8, 0.8], [0.0, 0.0]) == [0, 1]


def test_a_request_whose_cheap_offer_is_as_good_is_left_alone() -> None:
    assert ask([1.0, 1.0], [0.5, 0.5], [0.0, 0.99]) == [0]


def test_an_unreliable_or_dear_level_is_not_asked() -> None:
    assert ask([1.0], [0.02], [0.0]) == []
    assert ask([1.0], [0.8], [0.0], first=1.0) == []


def test_a_full_draft_needs_nothing() -> None:
    assert ask([1.0], [0.9], [0.0], room=0) == []


@given(chances, chances, chances, st.floats(1e-5, 1.0), st.floats(1e-5, 1.0))
def test_it_is_asked_only_where_tokens_are_worth_the_time(survival, match, offered, token, cost) -> None:
    asked = ask([survival], [match], [offered], price=0.0, token=token, first=cost, following=cost)
    most = survival * sum(match**power for power in range(1, 9))
    assert not asked or token * most >= cost * 0.999


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
