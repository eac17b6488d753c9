"""The best setting measured once more: which it is, what counts then, and how often luck or a gain is taken."""

from __future__ import annotations

import numpy as np
import pytest

from hola_plugins.pilot.process import ProcessError
from hola_plugins.tune.confirmation import measured_again, to_confirm
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.ranking import ranked
from hola_plugins.tune.search import Measured, Trial

PLAIN = Trial(settings={}, status="done", cost=0.0)


def trial(name, *turns, **changes):
    given = {"status": "done", "cost": float(np.mean(turns)), "turns": turns, **changes}
    return Trial(settings={"name": name}, **given)


def chosen(rng, gain, settings=8, turns=4, noise=0.05):
    """Gives what is chosen of settings that all have one gain, each turn with noise of its own."""

    def measure(values, report):
        found = rng.normal(-gain, noise, turns)
        return Measured(Figures(), float(np.mean(found)), tuple(found))

    trials = [PLAIN]
    for number in range(settings):
        trials.append(trial(number, *measure({}, None).turns))
    best = to_confirm(trials)
    found = [measured_again(one, measure) if one is best else one for one in trials]
    return ranked(found)[0]


def test_the_cheapest_is_measured_once_more_where_it_is_cheaper_than_leaving_the_method_out():
    trials = [PLAIN, trial("a", -0.1, -0.1, 0.1), trial("b", -0.2, -0.1, 0.0), trial("c", 0.1, 0.1, 0.2)]
    assert to_confirm(trials) is trials[2]
    assert to_confirm([PLAIN, trials[3]]) is None


def test_nothing_is_measured_once_more_that_could_not_change_the_choice():
    cheaper = (-0.2, -0.1, 0.0)
    slow = PLAIN.model_copy(update={"violations": {"latency_s": 0.5}})
    assert to_confirm([slow, trial("a", *cheaper)]) is None
    assert to_confirm([PLAIN, trial("a", *cheaper, violations={"recall": 0.1})]) is None
    assert to_confirm([PLAIN, trial("a", -0.2, -0.1)]) is None
    assert to_confirm([PLAIN, Trial(settings={"name": "a"}, status="done", cost=-45.0)]) is None
    assert to_confirm([Trial(settings={}, status="failed")]) is None


def test_the_second_measurement_takes_the_place_of_the_first():
    second = Measured(Figures(latency_s=2.0), -0.1, (-0.1, -0.1, -0.1))
    found = measured_again(trial("a", -0.5, -0.4, -0.6), lambda values, report: second)
    assert (found.figures, found.cost, found.turns) == second
    assert (found.settings, found.status, found.again) == ({"name": "a"}, "done", True)


def test_a_second_measurement_that_fails_leaves_nothing_to_choose():
    def measure(values, report):
        raise ProcessError("the server ended")

    failed = measured_again(trial("a", -0.5, -0.4, -0.6), measure)
    assert (failed.status, failed.error, failed.again) == ("failed", "the server ended", True)
    assert ranked([PLAIN, failed]) == [PLAIN]


@pytest.mark.parametrize("settings", [1, 8])
def test_of_settings_that_change_nothing_one_in_twenty_is_taken_at_most(settings):
    rng = np.random.default_rng(0)
    assert np.mean([bool(chosen(rng, 0.0, settings).settings) for _ in range(1000)]) <= 0.06


def test_a_gain_is_found_in_four_turns_however_many_settings_were_tried():
    rng = np.random.default_rng(0)
    assert np.mean([bool(chosen(rng, 0.12).settings) for _ in range(300)]) >= 0.9
