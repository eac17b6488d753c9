"""The choice beside the baseline on the data held out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hola_plugins.pilot.config import PilotConfig
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
