"""The order in which settings are taken: the cheapest first, the simpler one where a gain may be noise."""

from __future__ import annotations

from hola_plugins.tune.limits import Figures, Limit
from hola_plugins.tune.noise import chance_of, is_gain
from hola_plugins.tune.ranking import ranked
from hola_plugins.tune.search import Trial, judged

RECALL = Limit("recall", "floor", 0.8)
LATENCY = Limit("latency_s", "ceiling", 2.0)


def trial(name, cost, turns=(), again=False, recall=0.9, latency=1.0):
    settings = {"name": name} if name else {}
    figures = Figures(recall=recall, latency_s=latency)
    return judged(
        Trial(settings=settings, status="done", figures=figures, cost=cost, turns=turns, again=again),
        [RECALL],
    )


def names(trials, later=()):
    return [one.settings.get("name") for one in ranked(trials, later)]


PLAIN = trial(None, 0.0)
SURE, UNSURE = (-0.2, -0.21, -0.19), (-0.2, -0.6, 0.2)


def test_the_cheapest_of_those_that_keep_all_limits_is_first():
    stopped = Trial(settings={"name": "d"}, status="stopped")
    assert names([trial("a", 5.0), trial("b", 3.0), trial("c", 1.0, recall=0.7), stopped]) == ["b", "a"]
    assert names([trial("c", 1.0, recall=0.7), stopped]) == []


def test_a_gain_within_noise_does_not_come_before_leaving_the_method_out():
    assert names([PLAIN, trial("a", -0.2, SURE, again=True)]) == ["a", None]
    assert names([PLAIN, trial("a", -0.2, UNSURE, again=True)]) == [None, "a"]


def test_a_gain_that_was_measured_once_is_not_taken_for_one():
    once = trial("b", -0.3, tuple(one - 0.1 for one in SURE))
    assert names([PLAIN, once]) == [None, "b"]
    assert names([PLAIN, trial("a", -0.2, SURE, again=True), once]) == ["a", None, "b"]


def test_a_cost_without_noise_needs_no_second_measurement():
    assert names([trial(None, 100.0), trial("a", 45.0)]) == ["a", None]


def test_settings_that_were_proposed_again_count_once():
    found = [trial("a", -0.2, SURE, again=True), *[trial("a", -0.2, SURE)] * 4]
    assert names([PLAIN, *found]) == ["a", None]


def test_a_gain_within_noise_counts_where_leaving_the_method_out_breaks_a_limit():
    assert names([trial(None, 0.0, recall=0.5), trial("a", -0.2, UNSURE), trial("b", 0.1, UNSURE)]) == [
        "a",
        "b",
    ]


def test_of_equal_costs_the_method_is_left_out():
    assert names([trial(None, 52.0), trial("a", 52.0)]) == [None, "a"]


def test_what_keeps_later_limits_already_is_taken_before_what_is_cheaper():
    found = [trial("a", 1.0, latency=3.0), trial("b", 2.0, latency=2.5), trial("c", 3.0)]
    assert names(found, [LATENCY]) == ["a", "c", "b"]


def test_a_gain_in_every_turn_is_one_and_too_few_turns_decide_nothing():
    assert is_gain([-0.10, -0.11, -0.09, -0.10])
    assert not is_gain([-0.2, -0.6, 0.2])
    assert is_gain([-0.1, -0.1, -0.1])
    assert not is_gain([0.1, 0.1, 0.1])
    assert chance_of([0.0, 0.0, 0.0]) == 0.5
    assert chance_of([-0.5, -0.5]) == 1.0
