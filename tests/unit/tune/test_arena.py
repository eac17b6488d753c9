"""What a duel measures: who is faster and by how much, whose turn it is, and the figures of each side."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.workload import Prompt
from hola_plugins.tune.duel import Arena, Side

PROMPTS = [Prompt(str(number), "prompts", "text") for number in range(1, 21)]


class Fleet:
    """Servers that run, each with the peaks of memory that it tells of in turn."""

    def __init__(self, **peaks):
        self._peaks = peaks

    def start(self, plans):
        self.started = [plan.name for plan in plans]

    def server(self, plan):
        peaks = self._peaks.get(plan.name)
        peak = peaks.pop(0) if peaks else None
        return SimpleNamespace(url=plan.name, check_running=lambda: None, peak_memory=peak)


class Traffic:
    """Answers prompt n in n seconds times the factor of its server, and notes who was asked."""

    def __init__(self, failures=(), **factors):
        self._failures, self._factors, self.asked = failures, factors, []

    def run(self, name, prompts, repeat, show):
        self.asked.append(name)
        requests = [
            SimpleNamespace(prompt=one.id, latency_s=int(one.id) * self._factors[name]) for one in prompts
        ]
        return SimpleNamespace(failures=list(self._failures), requests=requests)


@pytest.fixture
def sides(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"0" * 3000)
    return [
        Side(ServerPlan(name, str(tmp_path / "model"), "auto"), PROMPTS) for name in ("reference", "rival")
    ]


def duel(sides, fleet=None, traffic=None, repeats=4, compare=None):
    traffic = traffic or Traffic(reference=1.0, rival=0.5)
    return Arena(fleet or Fleet(), traffic, repeats, lambda doing: None).duel(*sides, compare)


def test_a_rival_of_half_the_latency_is_twice_as_fast(sides):
    told = []
    found = duel(sides, compare=lambda number, log: told.append((number, log)))
    assert found.cost == pytest.approx(math.log(0.5))
    assert (found.rival.speedup, found.reference.speedup) == (pytest.approx(2.0), None)
    assert [number for number, _ in told] == list(range(20))
    assert [log for _, log in told] == pytest.approx([math.log(0.5)] * 20)
    assert (found.reference.latency_s, found.rival.latency_s) == (10.5, 5.25)


def test_the_sides_take_turns_in_being_first(sides):
    fleet, traffic = Fleet(), Traffic(reference=1.0, rival=0.5)
    duel(sides, fleet, traffic)
    assert fleet.started == ["reference", "rival"]
    assert traffic.asked == ["reference", "rival", "rival", "reference"] * 2


@pytest.mark.parametrize(("answers", "latency"), [(20, 19.0), (19, 19.0), (2, 2.0)])
def test_of_twenty_answers_the_second_slowest_is_the_95th_percentile(sides, answers, latency):
    fewer = [Side(side.plan, PROMPTS[:answers]) for side in sides]
    assert duel(fewer).reference.latency_p95_s == latency


def test_the_peak_of_memory_is_the_largest_of_all_repeats(sides):
    gib = 1 << 30
    found = duel(sides, Fleet(reference=[3 * gib, 5 * gib, 4 * gib, None]))
    assert (found.reference.memory_gib, found.rival.memory_gib) == (5.0, None)
    assert found.reference.checkpoint_mb == 0.003


def test_a_server_by_itself_is_its_own_reference(sides):
    figures = Arena(Fleet(), Traffic(reference=1.0), 4, lambda doing: None).alone(sides[0])
    assert (figures.latency_s, figures.speedup) == (10.5, 1.0)


def test_a_request_without_an_answer_ends_the_duel(sides):
    with pytest.raises(ProcessError, match="reference: 1 requests got no answer, the first: it timed out"):
        duel(sides, traffic=Traffic(["it timed out"], reference=1.0, rival=0.5))
