"""The exact allocation: one choice for every group, least total score, total cost within the budget.

A multiple-choice knapsack as an integer program for HiGHS (`scipy.optimize.milp`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiError
from hola_plugins.lobi.quiet import c_output_dropped

_SCALE = 1e4
"""The largest score as the solver sees it: its absolute gap of 1e-6 then lies ten digits lower."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to store a group.

    Attributes:
        cost: What it takes of the budget; a whole number.
        score: Expected harm; not negative.
    """

    cost: int
    score: float


Menu = Mapping[str, Mapping[str, Choice]]
"""Choices by group, by name of the scheme."""


def allocate(menu: Menu, budget: int) -> dict[str, str]:
    """Chooses for every group.

    Args:
        menu: At least one choice for every group.
        budget: Largest sum of costs.

    Returns:
        The name of the chosen scheme by group; the least sum of scores, and of the cheapest of equals.

    Raises:
        InfeasibleBudgetError: If even the cheapest choices exceed the budget.
        LoBiError: If a score is no finite number of at least 0.
    """
    useful = {group: _useful(group, choices) for group, choices in menu.items()}
    least = sum(min(choice.cost for choice in choices.values()) for choices in useful.values())
    if least > budget:
        raise InfeasibleBudgetError(f"the budget is {budget}, the smallest that is feasible is {least}")
    if all(len(choices) == 1 for choices in useful.values()):
        return {group: next(iter(choices)) for group, choices in useful.items()}
    capacity = budget
    while True:
        chosen = _solve(useful, capacity)
        cost = sum(useful[group][name].cost for group, name in chosen.items())
        if cost <= budget:
            return chosen
        capacity -= cost - budget


def _useful(group: str, choices: Mapping[str, Choice]) -> dict[str, Choice]:
    """Leaves out choices that another one of no higher cost and score makes needless."""
    wrong = [name for name, one in choices.items() if not (np.isfinite(one.score) and one.score >= 0)]
    if wrong:
        raise LoBiError(
            f"the score of {group} in {wrong[0]} is {choices[wrong[0]].score}: the model's weights or the "
            "calibration data hold numbers that are not finite"
        )
    kept: dict[str, Choice] = {}
    for name, one in sorted(choices.items(), key=lambda item: (item[1].cost, item[1].score)):
        if not kept or one.score < min(other.score for other in kept.values()):
            kept[name] = one
    return kept


def _solve(menu: Menu, capacity: int) -> dict[str, str]:
    """Solves the integer program."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    keys = [(group, name) for group, choices in menu.items() for name in choices]
    score = np.array([menu[group][name].score for group, name in keys])
    cost = np.array([float(menu[group][name].cost) for group, name in keys])
    row = {group: number for number, group in enumerate(menu)}
    rows = [row[group] for group, _ in keys]
    one_each = csr_array((np.ones(len(keys)), (rows, np.arange(len(keys)))), shape=(len(menu), len(keys)))
    unit = max(1.0, capacity / _SCALE)
    with c_output_dropped():
        result = milp(
            score * (_SCALE / score.max()),
            integrality=np.ones(len(keys)),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(one_each, 1, 1),
                LinearConstraint(cost[None] / unit, -np.inf, capacity / unit),
            ],
            options={"mip_rel_gap": 0.0},
        )
    if result.x is None:
        raise LoBiError(f"the solver found no allocation: {result.message}")
    return {group: name for (group, name), taken in zip(keys, result.x, strict=True) if taken > 0.5}
