"""The searches one after the other: what one chooses must leave the next one something that keeps the limits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from hola_plugins.pilot.sections import AdaComp, LoBi
from hola_plugins.pilot.state import State
from hola_plugins.tune import order
from hola_plugins.tune.config import TuneConfig
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.search import Measured

pytest.importorskip("optuna")

SECONDS = {"45%": 3.0, "60%": 2.5, "75%": 1.6, "original": 1.9, "100 tokens": 3.0, "200 tokens": 1.7}
MEGABYTES = {"45%": 45.0, "60%": 60.0, "75%": 75.0, "original": 100.0}


class Passages:
    """Passages of as many tokens as their budget; a fixed k gives 500."""

    def __init__(self, *given):
        pass

    def measure(self, values, report):
        return self._found(values["token_budget"])

    def original(self):
        return self._found(500)

    def _found(self, tokens):
        return Measured(Figures(recall=0.9, tokens=tokens), tokens)


class Weights:
    """Compressed models: the smaller, the slower."""

    def __init__(self, bench, choice, compressor, minimise):
        self._choice = choice

    def measure(self, values, report):
        return self._found(values["budget"])

    def original(self):
        return self._found("original")

    def chosen(self, values):
        return self._choice.model_copy(update={"lobi": LoBi(**values), "model": values["budget"]})

    def _found(self, name):
        figures = Figures(accuracy=0.6, latency_s=SECONDS[name], checkpoint_mb=MEGABYTES[name])
        return Measured(figures, MEGABYTES[name])


class Drafts:
    """Drafts that change nothing, unless turns are given."""

    asked: ClassVar[list[str]] = []
    measured: ClassVar[list[Measured]] = []

    def __init__(self, bench, choice):
        self._name = f"{choice.adacomp.token_budget} tokens" if choice.adacomp else choice.model

    def measure(self, values, report):
        return self.measured.pop(0) if self.measured else self._alike()

    def original(self):
        self.asked.append(self._name)
        return self._alike()

    def _alike(self):
        return Measured(Figures(latency_s=SECONDS[self._name]), 0.0)


@pytest.fixture
def pilot():
    return SimpleNamespace(
        documents=None, adacomp=None, model="original", compress_python=Path("python"), lobi=LoBi()
    )


@pytest.fixture
def retrieving(pilot):
    """A pilot with documents and without an environment that compresses."""
    pilot.documents, pilot.adacomp = SimpleNamespace(queries="queries", k=4), AdaComp()
    pilot.compress_python = None


@pytest.fixture
def steps():
    """Steps that were expected in turn."""
    return []


@pytest.fixture
def taken():
    """A number for every step that was taken."""
    return []


@pytest.fixture
def search(tmp_path, monkeypatch, pilot, steps, taken):
    """Gives a function that searches under a ceiling of latency for the least memory."""
    (tmp_path / "pilot.yaml").write_text("")
    for name, value in {
        "RetrievalTrials": Passages,
        "WeightTrials": Weights,
        "DraftTrials": Drafts,
        "Compressor": lambda *given: None,
        "Bench": lambda *given: None,
        "read_queries": lambda path: [],
        "retrieval_key": lambda *given: "retrieval",
        "weights_key": lambda *given: "weights",
        "drafts_key": lambda bench, choice: f"drafts-{Drafts(bench, choice)._name.strip('%')}",
        "draft_settings": lambda pilot, values: values,
    }.items():
        monkeypatch.setattr(order, name, value)
    monkeypatch.setattr(Drafts, "asked", [])
    monkeypatch.setattr(Drafts, "measured", [])
    monkeypatch.setattr(order.Searches, "_index", None)
    environment = SimpleNamespace(own_versions={}, compress_versions={}, logs=tmp_path)
    progress = SimpleNamespace(expect=steps.append, step=lambda: taken.append(1), show=lambda doing: None)

    def search(latency_s, **given):
        settings = {
            "pilot": "pilot.yaml",
            "out": str(tmp_path),
            "floor": {"accuracy": 0.5},
            "ceiling": {"latency_s": latency_s},
            "minimise": "memory",
            "hsd": {"tau": ["auto"], "levels": [["request"]]},
            **given,
        }
        config = TuneConfig.model_validate(settings, context={"folder": tmp_path})
        fleet = SimpleNamespace(stop=lambda: None)
        state = State(tmp_path / "state")
        return order.Searches(config, pilot, environment, state, fleet, progress).run()

    return search


def test_the_best_model_is_kept_where_the_next_search_keeps_its_limits(search):
    tuned = search(4.0)
    assert (tuned.choice.model, tuned.choice.hsd) == ("45%", None)
    assert [one.method for one in tuned.searches] == ["retrieval", "lobi", "hsd"]
    assert tuned.searches[1].note is None
    assert Drafts.asked == ["45%"]


def test_a_model_with_which_the_next_search_keeps_no_limit_gives_way_to_one_that_keeps_them(search):
    tuned = search(2.0)
    assert tuned.infeasible is None
    assert (tuned.choice.model, tuned.choice.lobi.budget) == ("75%", "75%")
    assert tuned.searches[1].chosen.settings["budget"] == "75%"
    assert "the 1 before it in order" in tuned.searches[1].note
    assert tuned.searches[2].trials[0].figures.latency_s == 1.6
    assert Drafts.asked == ["45%", "75%"]


def test_a_search_that_went_back_measures_nothing_again(search):
    search(2.0)
    Drafts.asked.clear()
    assert search(2.0).choice.model == "75%"
    assert Drafts.asked == []


def test_that_nothing_keeps_the_limits_is_said_of_what_was_chosen_before(search):
    tuned = search(1.0)
    assert tuned.choice is None
    assert tuned.infeasible == (
        "HSD: with what was chosen before (Lo-Bi budget: 75%, prune: 0), no setting keeps all limits; the nearest "
        "(left out): latency_s is 1.6, its ceiling 1 (60.0% off); nor does any with 3 other choices before it"
    )
    assert [one.chosen and one.chosen.label for one in tuned.searches] == [
        None,
        "budget: 75%, prune: 0",
        None,
    ]
    assert len(Drafts.asked) == 4


def test_no_more_than_three_steps_are_taken_back(search):
    budgets = ["45%", "60%", "75%"]
    tuned = search(1.0, lobi={"budget": budgets, "prune": ["0", "10%", "20%"], "trials": 9})
    assert "3 other choices" in tuned.infeasible


@pytest.mark.usefixtures("retrieving")
def test_a_search_that_is_skipped_lets_the_next_one_step_back_past_it(search):
    floor, budgets = {"accuracy": 0.5, "recall": 0.8}, {"token_budget": [100, 200]}
    tuned = search(1.8, floor=floor, retrieval=budgets)
    assert tuned.infeasible is None
    assert tuned.choice.adacomp.token_budget == 200
    assert Drafts.asked == ["100 tokens", "200 tokens"]
    assert [one.method for one in tuned.searches] == ["retrieval", "lobi", "hsd"]
    assert "the 1 before it in order" in tuned.searches[0].note
    assert "compress_python" in tuned.searches[1].note


@pytest.mark.usefixtures("retrieving")
def test_with_only_one_method_searched_its_best_is_chosen(search, pilot):
    pilot.hsd = SimpleNamespace(settings={"tau": 1.0})
    floor, budgets = {"recall": 0.8}, {"token_budget": [200, 100]}
    tuned = search(1.8, floor=floor, retrieval=budgets, lobi=None, hsd=None)
    assert (tuned.choice.adacomp.token_budget, tuned.choice.hsd) == (100, {"tau": 1.0})
    assert [one.chosen and one.chosen.label for one in tuned.searches] == ["token_budget: 100", None, None]


def drafting(*turns):
    """Gives drafts of these turns."""
    return Measured(Figures(latency_s=1.0), sum(turns) / len(turns), turns)


LUCKY, SURE = drafting(-0.5, -0.4, -0.5), drafting(-0.2, -0.21, -0.19)


def test_the_best_is_measured_once_more_and_that_decides(search, steps, taken):
    Drafts.measured += [LUCKY, SURE]
    tuned = search(4.0, lobi=None)
    assert tuned.choice.hsd == {"tau": "auto", "levels": "request"}
    assert (tuned.searches[2].chosen.turns, tuned.searches[2].chosen.again) == (SURE.turns, True)
    assert tuned.searches[2].trials[1] == tuned.searches[2].chosen
    assert (steps, len(taken)) == ([2, 3], 2)  # and one for the data held out


def test_a_gain_that_does_not_come_twice_is_not_chosen(search):
    Drafts.measured += [LUCKY, drafting(-0.2, 0.3, -0.2)]
    tuned = search(4.0, lobi=None)
    assert tuned.choice.hsd is None
    assert tuned.searches[2].trials[1].again


def test_the_second_measurement_is_kept(search, steps, taken):
    Drafts.measured += [LUCKY, SURE]
    first = search(4.0, lobi=None)
    steps.clear(), taken.clear()
    assert search(4.0, lobi=None) == first
    assert (steps, len(taken)) == ([2, 3], 2)


def test_a_second_measurement_breaks_a_limit_like_any_other(search):
    Drafts.measured += [LUCKY, SURE._replace(figures=Figures(latency_s=9.0))]
    tuned = search(4.0, lobi=None)
    assert tuned.choice.hsd is None
    assert not tuned.searches[2].trials[1].feasible


@pytest.mark.parametrize("python", [Path("python"), None])
def test_a_ceiling_on_memory_alone_searches_no_bits_and_says_what_is_missing(search, pilot, python):
    pilot.compress_python = python
    lobi = search(4.0, floor={}, ceiling={"memory_gib": 1.0}).searches[1]
    missing = "floor.accuracy, whatever the ceilings" if python else "compress_python"
    assert lobi.trials == ()
    assert lobi.note.startswith(f"needs {missing}")
