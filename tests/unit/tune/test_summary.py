"""What the terminal shows of a tuning."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hola_plugins.tune.choice import Searched, Tuned
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.search import Trial
from hola_plugins.tune.summary import render_summary

PLAIN = Trial(settings={}, status="done", figures=Figures(accuracy=0.9), cost=0.0)


def done(budget):
    return Trial(settings={"budget": budget}, status="done", figures=Figures(accuracy=0.9), cost=0.1)


def failed(budget, error):
    return Trial(settings={"budget": budget}, status="failed", error=error)


def tuned(*trials, **found):
    return Tuned(searches=(Searched(method="lobi", trials=(PLAIN, *trials), chosen=PLAIN),), **found)


def shown(*trials, **found):
    console = Console(file=io.StringIO(), width=240)
    console.print(render_summary(tuned(*trials, **found)))
    return console.file.getvalue()


def test_settings_that_failed_are_not_called_worse():
    text = shown(failed("45%", "no module named llmcompressor"), failed("60%", "another"))
    assert "left out: no setting could be measured" in text
    assert "2 of 2 settings could not be measured" in text
    assert "the first (budget: 45%): no module named llmcompressor" in text
    assert "is better" not in text


def test_some_that_failed_are_counted_beside_the_others():
    text = shown(done("45%"), failed("60%", "out of memory"))
    assert "left out: no setting is better │" in text
    assert "1 of 2 settings could not be measured" in text
    assert "could not be measured" not in shown(done("45%"))


def test_a_method_that_could_not_be_measured_at_all_is_no_success():
    assert not tuned(failed("45%", "out of memory"), failed("60%", "out of memory")).sound
    assert tuned(done("45%"), failed("60%", "out of memory")).sound
    assert tuned().sound
    assert not tuned(done("45%"), broken=("recall 0.7 is under 0.8",)).sound
    assert not tuned(done("45%"), no_gain="it is not better").sound
    assert not tuned(done("45%"), unconfirmed="a server ended").sound
    assert not tuned(done("45%"), infeasible="no setting keeps all limits").sound


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            {"turns": (-0.2, 0.1, -0.1, 0.0), "again": True},
            "the best (budget: 45%), measured once more, is 1.05 times as fast (4 turns; more prompts tell more)",
        ),
        (
            {"turns": (-0.05, -0.05)},
            "left out: the best (budget: 45%) is 1.05 times as fast, and fewer than 3 'repeats' tell no gain",
        ),
        (
            {"again": True, "violations": {"latency_s": 0.1}},
            "left out: the best (budget: 45%), measured once more, breaks a limit",
        ),
        (
            {"again": True, "status": "failed"},
            "left out: the best (budget: 45%), measured once more, failed",
        ),
    ],
)
def test_a_gain_that_is_not_taken_is_not_kept_quiet(found, words):
    figures = Figures(accuracy=0.9, speedup=1.05)
    faster = done("45%").model_copy(update={"cost": -0.05, "figures": figures, **found})
    assert words in " ".join(shown(faster, done("60%")).split())


def test_a_choice_that_is_not_better_is_said():
    text = shown(
        done("45%"), broken=("recall was not measured, its floor is 0.8",), no_gain="the choice is slower"
    )
    assert "on held-out data recall was not measured" in text
    assert "on held-out data the choice is slower" in text


def test_a_choice_that_could_not_be_confirmed_is_said():
    text = shown(done("45%"), unconfirmed="baseline: 1 requests got no answer")
    assert "not measured on held-out data, which the next run tries again: baseline: 1 requests" in text
