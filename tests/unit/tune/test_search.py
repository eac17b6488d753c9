"""The search: every combination where there are few, optuna's proposals where there are many, and going on."""

from __future__ import annotations

import pytest

from hola_plugins.tune.limits import Figures, Limit
from hola_plugins.tune.ranking import ranked
from hola_plugins.tune.search import Measured, Search

pytest.importorskip("optuna")

VALUES = {"budget": [400, 100, 200, None], "target": [0.9, 0.8]}
RECALL = Limit("recall", "floor", 0.85)


class Retrieval:
    """Recall and tokens that follow from the settings, so that the best is known."""

    def __init__(self, stop_after=None):
        self.asked = []
        self.stop_after = stop_after

    def measure(self, settings, report):
        if len(self.asked) == self.stop_after:
            raise KeyboardInterrupt
        self.asked.append(dict(settings))
        tokens = settings["budget"] or 1000
        recall = settings["target"] - (0.1 if tokens < 200 else 0.0)
        return Measured(Figures(recall=recall, tokens=tokens), float(tokens))


@pytest.fixture
def search(tmp_path):
    def search(trials=20, limits=(RECALL,)):
        return Search(tmp_path / "state" / "trials.log", "study", VALUES, limits, trials, seed=0)

    return search


def ignore():
    pass


def test_all_combinations_are_tried_once_where_they_fit(search):
    measured = Retrieval()
    found = search().run(measured.measure, ignore)
    assert len(found) == len(measured.asked) == 8
    assert measured.asked[0] == {"budget": 400, "target": 0.9}
    assert ranked(found)[0].settings == {"budget": 200, "target": 0.9}


def test_a_stopped_search_goes_on_and_measures_nothing_twice(search):
    first, second = Retrieval(stop_after=3), Retrieval()
    with pytest.raises(KeyboardInterrupt):
        search().run(first.measure, ignore)
    steps = []
    found = search().run(second.measure, lambda: steps.append(1))
    assert len(found) == len(steps) == 8
    assert len(second.asked) == 5
    assert not [one for one in second.asked if one in first.asked]


def test_a_finished_search_measures_nothing_and_is_judged_by_the_limits_of_now(search):
    search().run(Retrieval().measure, ignore)
    again = Retrieval()
    found = search(limits=(Limit("recall", "floor", 0.75),)).run(again.measure, ignore)
    assert again.asked == []
    assert ranked(found)[0].settings == {"budget": 100, "target": 0.9}


def test_proposals_of_optuna_stay_within_the_trials(search):
    measured = Retrieval()
    found = search(trials=5).run(measured.measure, ignore)
    assert len(found) == 5
    assert found[0].settings == {"budget": 400, "target": 0.9}


def test_a_setting_that_fails_is_not_scored_and_the_others_go_on(search):
    measured = Retrieval()

    def measure(settings, report):
        if settings["budget"] is None:
            raise ValueError("it does not fit")
        return measured.measure(settings, report)

    found = search().run(measure, ignore)
    failed = [one for one in found if one.status == "failed"]
    assert [one.error for one in failed] == ["it does not fit"] * 2
    assert [one.cost for one in failed] == [None, None]


@pytest.mark.parametrize("trials", [20, 5])
def test_what_failed_is_tried_again_by_the_next_run_and_once(search, trials):
    working = Retrieval()

    def broken(settings, report):
        raise ValueError("no such package")

    failed = search(trials).run(broken, ignore)
    assert {one.status for one in failed} == {"failed"}
    steps = []
    found = search(trials).run(working.measure, lambda: steps.append(1))
    assert len(found) == len(steps) == len(failed)
    assert {one.status for one in found} == {"done"}
    first = [one.settings for place, one in enumerate(failed) if one not in failed[:place]]
    assert [one.settings for one in found[: len(first)]] == working.asked[: len(first)] == first
    again = Retrieval()
    assert search(trials).run(again.measure, ignore) == found
    assert again.asked == []


def test_a_hopeless_setting_is_stopped_early(search):
    reported = []

    def measure(settings, report):
        slower = 0.0 if not reported else 1.0
        reported.append(0)
        for prompt in range(40):
            report(prompt, slower + prompt / 1000)
            reported[-1] += 1
        return Measured(Figures(recall=0.9), slower)

    found = search().run(measure, ignore)
    assert reported[0] == 40
    assert max(reported[1:]) < 40
    assert [one.status for one in found] == ["done"] + ["stopped"] * 7
