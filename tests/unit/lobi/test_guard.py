"""Which plans of a family are worth measuring."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from hola_plugins.lobi.guard import largest_that_fit
from hola_plugins.lobi.plan import Plan


def family(*schemes: str) -> list[Plan]:
    return [Plan("a rule", {"layer": name}) for name in schemes]


def size(plan: Plan) -> int:
    return int(plan.schemes["layer"])


@pytest.mark.parametrize(("budget", "expected"), [(9, []), (10, [10]), (29, [20]), (30, [30]), (99, [30])])
def test_of_a_family_the_largest_plan_within_the_budget_is_compared(budget: int, expected: list[int]) -> None:
    found = largest_that_fit([family("10", "20", "30")], size, lambda plan: size(plan) <= budget)
    assert [(size(plan), told) for plan, told in found] == [(one, one) for one in expected]


def test_plans_that_several_families_share_are_compared_once() -> None:
    families = [family("10", "20"), family("20", "40"), family("5"), []]
    found = largest_that_fit(families, size, lambda plan: size(plan) <= 20)
    assert [told for _, told in found] == [20, 5]
