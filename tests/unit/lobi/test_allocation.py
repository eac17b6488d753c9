"""The allocation is the best one there is, and says so when there is none."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy")

from hola_plugins.lobi.allocation import Choice, allocate
from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiError

SCORES = st.one_of(st.just(0.0), st.floats(1e-7, 10.0))
CHOICES = st.dictionaries(
    st.sampled_from("abcd"), st.builds(Choice, st.integers(1, 5_000_000), SCORES), min_size=1
)
MENUS = st.dictionaries(st.sampled_from(["q", "k", "v", "o", "up"]), CHOICES, min_size=1)


def brute_force(menu, budget):
    plans = [dict(zip(menu, names, strict=True)) for names in itertools.product(*menu.values())]
    fitting = [plan for plan in plans if cost(menu, plan) <= budget]
    return min((score(menu, plan) for plan in fitting), default=None)


def cost(menu, plan):
    return sum(menu[group][name].cost for group, name in plan.items())


def score(menu, plan):
    return sum(menu[group][name].score for group, name in plan.items())


@settings(max_examples=150, deadline=None)
@given(MENUS, st.floats(0.0, 1.0))
def test_equals_brute_force(menu, share):
    costs = [[choice.cost for choice in choices.values()] for choices in menu.values()]
    least, most = sum(map(min, costs)), sum(map(max, costs))
    budget = round(least + share * (most - least))
    plan = allocate(menu, budget)
    assert cost(menu, plan) <= budget
    assert math.isclose(score(menu, plan), brute_force(menu, budget), rel_tol=1e-6, abs_tol=1e-9)


@given(MENUS)
def test_below_the_cheapest_names_the_cheapest(menu):
    least = sum(min(choice.cost for choice in choices.values()) for choices in menu.values())
    with pytest.raises(
        InfeasibleBudgetError, match=rf"{least - 1}, the smallest that is feasible is {least}"
    ):
        allocate(menu, least - 1)
    assert cost(menu, allocate(menu, least)) == least


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_a_score_that_is_no_number_is_named(wrong):
    with pytest.raises(LoBiError, match="score of q in a"):
        allocate({"q": {"a": Choice(1, wrong), "b": Choice(2, 0.0)}}, 5)
