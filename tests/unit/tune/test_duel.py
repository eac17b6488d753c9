"""Two servers in turn: what is told of every repeat."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.workload import Prompt
from hola_plugins.tune.duel import Arena, Side

SECONDS = {"reference": (1.0, 1.0, 2.0), "rival": (0.5, 1.0, 4.0)}


class Traffic:
    """Answers at once, and tells of each server the seconds of every repeat."""

    def run(self, name, prompts, repeat, show):
        requests = [SimpleNamespace(latency_s=SECONDS[name][repeat]) for _ in prompts]
        return SimpleNamespace(failures=[], requests=requests)


def server(plan):
    return SimpleNamespace(url=plan.name, check_running=lambda: None, peak_memory=1 << 30)


def test_a_turn_is_the_mean_of_its_prompts():
    fleet = SimpleNamespace(start=lambda plans: None, server=server)
    prompts = [Prompt(str(number), "prompts", "text") for number in range(7)]
    sides = [Side(ServerPlan(name, "model", "auto"), prompts) for name in ("reference", "rival")]
    found = Arena(fleet, Traffic(), 3, lambda doing: None).duel(*sides)
    assert found.turns == pytest.approx((math.log(0.5), 0.0, math.log(2.0)))
    assert found.cost == pytest.approx((3 * math.log(0.5) + 2 * math.log(2.0)) / 7)
    assert found.rival.speedup == pytest.approx(math.exp(-found.cost))
