"""What a compressed model costs in a search, and how well it answers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import Task
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.duel import Outcome
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.weights import WeightTrials

ACCURACY = {"first": 0.75, "second": 0.5}
TURNS = (-0.5, -0.25, -0.3)
VALUES = {"budget": "45%", "prune": "0"}


class Arena:
    """Finds the original in 2 s and 100 MB, and every rival in 1 s and 45 MB."""

    def __init__(self):
        self.released = []
        self.fleet = SimpleNamespace(
            server=lambda plan: plan, release=lambda plan: self.released.append(plan.name)
        )

    def show(self, doing):
        pass

    def alone(self, side):
        return Figures(latency_s=2.0, checkpoint_mb=100.0, speedup=1.0)

    def duel(self, reference, rival):
        assert (reference.plan.model, rival.plan.model) == ("owner/big", "small")
        fast = Figures(latency_s=1.0, checkpoint_mb=45.0, speedup=2.0)
        return Outcome(self.alone(reference), fast, -0.35, TURNS)


@pytest.fixture
def trials(tmp_path):
    """Gives a maker of trials; keywords are what decides and the tasks."""
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "text"}\n')

    def make(minimise="latency", tasks=()):
        accuracy = tuple(Task(task=name) for name in tasks)
        pilot = PilotConfig(model="owner/big", prompts=tmp_path / "prompts.jsonl", accuracy=accuracy)
        bench = SimpleNamespace(
            pilot=pilot,
            arena=Arena(),
            prompts=[],
            depth="fixed",
            scores=SimpleNamespace(
                measure=lambda server, depth, task: SimpleNamespace(value=ACCURACY[task.task])
            ),
        )
        compressor = SimpleNamespace(compress=lambda name, settings: "small")
        return WeightTrials(bench, Choice(adacomp=None, model="owner/big"), compressor, minimise)

    return make


@pytest.mark.parametrize(
    ("tasks", "least"),
    [((), None), (("first",), 0.75), (("first", "second"), 0.5), (("second", "first"), 0.5)],
)
def test_the_accuracy_is_the_least_of_all_tasks(trials, tasks, least):
    made = trials(tasks=tasks)
    assert made.measure(VALUES, lambda *_: None).figures.accuracy == least
    assert made.original().figures.accuracy == least


def test_for_latency_the_cost_is_the_logarithm_of_the_duel(trials):
    made = trials("latency")
    small, original = made.measure(VALUES, lambda *_: None), made.original()
    assert (small.cost, original.cost) == (-0.35, 0.0)
    assert (small.turns, original.turns) == (TURNS, ())


def test_for_memory_the_cost_is_the_size_of_the_weights(trials):
    made = trials("memory")
    small, original = made.measure(VALUES, lambda *_: None), made.original()
    assert (small.cost, original.cost) == (45.0, 100.0)
    assert (small.turns, original.turns) == ((), ())


def test_the_server_of_a_trial_is_let_go(trials):
    made = trials()
    made.measure(VALUES, lambda *_: None)
    (name,) = made._arena.released
    assert name.startswith("lobi-")
