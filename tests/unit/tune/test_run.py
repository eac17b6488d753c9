"""The choice beside the baseline on the data held out, and what is written before and after that."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.process import ProcessError
from hola_plugins.tune import run
from hola_plugins.tune.choice import Choice, Tuned
from hola_plugins.tune.config import TuneConfig
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.run import Tuner


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Gives a function that measures a choice of HSD's settings, which finds these figures."""
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    (tmp_path / "pilot.yaml").write_text("")
    given = {"pilot": "pilot.yaml", "out": str(tmp_path), "ceiling": {"memory_gib": 2.0}}
    config = TuneConfig.model_validate(given, context={"folder": tmp_path})
    pilot = PilotConfig(model=str(tmp_path), prompts=tmp_path / "prompts.jsonl")
    progress = SimpleNamespace(show=lambda doing: None, step=lambda: None)
    monkeypatch.setattr(run, "Bench", lambda *given: None)

    def measured(hsd, **figures):
        found = Figures(memory_gib=1.0), Figures(**figures)
        monkeypatch.setattr(run, "measure_held_out", lambda *given: found)
        choice = Choice(adacomp=None, model=pilot.model, hsd=hsd)
        return Tuner(config, "", progress)._measured(Tuned(searches=()), choice, pilot, None, None)

    return measured


def test_a_choice_that_is_slower_than_the_baseline_is_no_success(measured):
    assert measured({"tau": 1.0}, memory_gib=1.0, speedup=1.1).sound
    slower = measured({"tau": 1.0}, memory_gib=1.0, speedup=0.9)
    assert "it is 0.9 times as fast" in slower.no_gain
    assert not slower.sound


def test_the_baseline_itself_need_not_be_better_than_the_baseline(measured):
    assert measured(None, memory_gib=1.0, speedup=0.99).sound


def test_a_limit_that_was_not_measured_is_no_success(measured):
    found = measured({"tau": 1.0}, speedup=1.1)
    assert found.broken == ("memory_gib was not measured, its ceiling is 2",)
    assert not found.sound


@pytest.fixture
def tune(tmp_path, monkeypatch):
    """Gives a function that tunes with searches that choose HSD's settings, and this measurement of them."""
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n{"prompt": "two"}\n')
    (tmp_path / "pilot.yaml").write_text("model: owner/name\nprompts: prompts.jsonl\n")
    given = {"pilot": "pilot.yaml", "out": "out"}
    config = TuneConfig.model_validate(given, context={"folder": tmp_path})
    progress = SimpleNamespace(show=lambda doing: None, step=lambda: None)
    written = tmp_path / "out" / "tuned"

    def searched():
        assert list(written.iterdir()) == []
        return Tuned(searches=(), choice=Choice(adacomp=None, model="owner/name", hsd={"tau": 1.0}))

    fleet = SimpleNamespace(stop=lambda: None)
    environment = SimpleNamespace(fleet=lambda: nullcontext(fleet), all_versions={"vllm": "1"})
    monkeypatch.setattr(run, "Environment", lambda *given: environment)
    monkeypatch.setattr(run, "Searches", lambda *given: SimpleNamespace(run=searched))
    monkeypatch.setattr(run, "Bench", lambda *given: None)
    monkeypatch.setattr(run, "check_fit", lambda *given: None)

    def tune(measure):
        monkeypatch.setattr(run, "measure_held_out", lambda *given: measure(read()))
        tuned = Tuner(config, "0" * 64, progress).run()
        assert read() == tuned
        assert (written / "serve.yaml").is_file()
        return tuned

    def read():
        return Tuned.model_validate_json((written / "tuned.json").read_bytes())

    return tune


def test_what_was_chosen_is_written_before_it_is_measured_and_the_next_run_measures_it(tune):
    def fail(before):
        assert before.choice.hsd == {"tau": 1.0}
        assert before.unconfirmed == "the measurement is not finished"
        assert (before.versions, before.config_sha256) == ({"vllm": "1"}, "0" * 64)
        raise ProcessError("baseline: 1 requests got no answer")

    failed = tune(fail)
    assert failed.unconfirmed == "baseline: 1 requests got no answer"
    assert not failed.sound
    confirmed = tune(lambda before: (Figures(), Figures(speedup=1.5)))
    assert (confirmed.unconfirmed, confirmed.held_out.speedup) == (None, 1.5)
    assert confirmed.sound


def test_a_refusal_of_what_is_held_out_searches_nothing_and_leaves_the_files_of_an_earlier_run(
    tune, tmp_path, monkeypatch
):
    def files():
        return {path.name: path.read_bytes() for path in (tmp_path / "out" / "tuned").iterdir()}

    tune(lambda before: (Figures(), Figures(speedup=1.5)))
    written = files()
    assert {"serve.yaml", "tuned.json"} <= written.keys()

    def refuse(bench, state):
        raise ValueError("too long")

    monkeypatch.setattr(run, "check_fit", refuse)
    monkeypatch.setattr(run, "Searches", None)
    with pytest.raises(ValueError, match="too long"):
        tune(None)
    assert files() == written
