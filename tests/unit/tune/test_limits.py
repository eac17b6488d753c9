"""Limits: what breaks one, by how much, and what is chosen."""

from __future__ import annotations

import pytest

from hola_plugins.tune.limits import Figures, Limit, broken, violations
from hola_plugins.tune.search import Trial, best_of, judged, nearest_of

RECALL = Limit("recall", "floor", 0.8)
LATENCY = Limit("latency_s", "ceiling", 2.0)


def trial(recall, latency, cost):
    figures = Figures(recall=recall, latency_s=latency)
    return judged(
        Trial(settings={"cost": cost}, status="done", figures=figures, cost=cost), [RECALL, LATENCY]
    )


def test_a_violation_is_a_share_of_the_limit():
    found = violations([RECALL, LATENCY], Figures(recall=0.6, latency_s=1.0))
    assert found == pytest.approx({"recall": 0.25, "latency_s": -0.5})


def test_a_limit_whose_figure_was_not_measured_is_not_kept():
    assert not trial(None, 1.0, 1.0).feasible
    assert broken([RECALL, LATENCY], Figures(latency_s=1.0)) == ["recall was not measured, its floor is 0.8"]


def test_a_limit_that_is_just_met_is_kept():
    assert trial(0.8, 2.0, 1.0).feasible


def test_the_cheapest_of_those_that_keep_all_limits_is_chosen():
    kept, cheaper, broken_one = trial(0.9, 1.0, 5.0), trial(0.8, 1.5, 3.0), trial(0.7, 1.0, 1.0)
    stopped = Trial(settings={}, status="stopped")
    assert best_of([kept, cheaper, broken_one, stopped]) is cheaper
    assert best_of([broken_one, stopped]) is None


def test_a_cost_below_nothing_is_cheaper_than_nothing():
    assert best_of([trial(0.9, 1.0, 0.0), trial(0.9, 1.0, -0.2)]).cost == -0.2


def test_the_nearest_breaks_its_worst_limit_the_least():
    near, far = trial(0.76, 2.1, 5.0), trial(0.9, 3.0, 1.0)
    failed = Trial(settings={}, status="failed", error="no server")
    assert nearest_of([far, near, failed]) is near
    assert broken([RECALL, LATENCY], near.figures) == [
        "recall is 0.76, its floor 0.8 (5.0% off)",
        "latency_s is 2.1, its ceiling 2 (5.0% off)",
    ]
    assert nearest_of([failed]) is None
