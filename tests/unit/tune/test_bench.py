"""How many turns a part of the data is dealt to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import AdaComp
from hola_plugins.pilot.state import State
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.choice import Choice


@pytest.mark.parametrize(
    ("prompts", "settings", "turns"),
    [
        (17, {}, 4),
        (34, {}, 8),
        (17, {"concurrency": 2}, 8),
        (8, {}, 3),
        (100, {}, 12),
        (100, {"one_at_a_time": True}, 4),
        (17, {"repeats": 3}, 3),
    ],
)
def test_a_turn_keeps_the_servers_busy_once(tmp_path, prompts, settings, turns):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f'{{"prompt": "text {number}"}}\n' for number in range(prompts)))
    pilot = PilotConfig(model="owner/small", prompts=path, out=tmp_path, **settings)
    environment = SimpleNamespace(own_versions={}, versions={}, logs=tmp_path)
    choice = Choice(adacomp=AdaComp(), model=pilot.model)
    bench = Bench(pilot, choice, environment, State(tmp_path), None, lambda doing: None)
    assert bench.arena.repeats == turns
