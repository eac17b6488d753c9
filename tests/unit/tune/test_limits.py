"""Limits: what breaks one, by how much, and what is chosen."""

from __future__ import annotations

import pytest

from hola_plugins.tune.limits import Figures, Limit, broken, violations
from hola_plugins.tune.ranking import nearest_of
from hola_plugins.tune.search import Trial, judged

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
    assert broken([RECALL, LATENCY], Figures(recall=0.8, latency_s=2.0)) == []


def test_the_nearest_breaks_its_worst_limit_the_least():
    near, far = trial(0.76, 2.1, 5.0), trial(0.9, 3.0, 1.0)
    failed = Trial(settings={}, status="failed", error="no server")
    assert nearest_of([far, near, failed]) is near
    assert broken([RECALL, LATENCY], near.figures) == [
        "recall is 0.76, its floor 0.8 (5.0% off)",
        "latency_s is 2.1, its ceiling 2 (5.0% off)",
    ]
    assert nearest_of([failed]) is None
