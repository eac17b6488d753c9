"""Steps that the host runs faster when every request has a longest draft: measured, filled up, never assumed."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from fake_runner import FakeRunner, Replay

from hola_plugins.hsd import drafter as module
from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.filling import Filling
from hola_plugins.hsd.level import ROOM, SLOT, Block
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.hsd.step_time import StepTimeCurve

LONGEST, VOCABULARY, LENGTH = 7, 500, 4096


class ClockedRunner(FakeRunner):
    """A runner on an invented clock: a step takes another time where every draft in it is the longest.

    Attributes:
        drafts: Those of each step.
        prices: What the control asked for one more token behind each.
        rooms: The smallest room of each.
        snapshots: The counters behind each.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, rows: int, uniform: float, other: float, **control: object
    ) -> None:
        self._now = 0.0
        monkeypatch.setattr(module.time, "perf_counter", lambda: self._now)
        config = HSDConfig.model_validate(
            {"control": control, "telemetry": {"log_interval_s": 0}, "deadline_ms": 1e6}
        )
        limits = DraftLimits(LONGEST, VOCABULARY, LENGTH, full_graphs=True)
        super().__init__(HierarchicalDrafter(config, limits, rows), rows, LENGTH, VOCABULARY, LONGEST)
        self._seconds = {True: uniform, False: other}
        self.drafts: list[list[list[int]]] = []
        self.prices: list[float] = []
        self.rooms: list[int] = []
        self.snapshots: list[dict[str, Any]] = []

    def kinds(self, steps: int) -> Counter[str]:
        """Counts the first steps by their drafts: all of them the longest, none, or others."""
        names = {(True, False): "full", (False, True): "none"}
        lengths = ({len(draft) for draft in drafts} for drafts in self.drafts[:steps])
        return Counter(names.get((one == {LONGEST}, one == {0}), "other") for one in lengths)

    def filled(self, steps: int) -> int:
        """Gives how many of the first calls filled drafts up."""
        return int(self.snapshots[steps - 1]["control"]["filled_calls"])

    def _check(self, drafts: list[list[int]], sampled: list[list[int]]) -> None:
        super()._check(drafts, sampled)
        self.drafts.append(drafts)
        self.prices.append(self.drafter.control.price(len(drafts)))
        self.rooms.append(LENGTH - 1 - int(self.lengths[: len(drafts)].max()))
        self.snapshots.append(self.drafter.snapshot())
        self._now += self._seconds[{len(draft) for draft in drafts} == {LONGEST}]


def copies(rows: int, prompt: int = 512, output: int = 1200, seed: int = 0) -> list[Replay]:
    """Makes requests that copy their prompt, and go on elsewhere now and then."""
    rng = random.Random(seed)
    replays = []
    for _ in range(rows):
        tokens, source = [rng.randrange(VOCABULARY) for _ in range(prompt)], 0
        for _ in range(output):
            source = rng.randrange(500) if rng.random() < 0.2 else source
            tokens.append(tokens[source])
            source += 1
        replays.append(Replay(tokens, prompt))
    return replays


@pytest.mark.parametrize("rows", [1, 4])
def test_drafts_are_filled_up_where_full_steps_are_faster(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    host = ClockedRunner(monkeypatch, rows, uniform=0.005, other=0.007)
    host.run(copies(rows))
    assert host.kinds(300)["full"] > 250
    snapshot = host.snapshots[-1]
    assert snapshot["errors"] == snapshot["tokens"]["sanitised"] == 0
    assert host.filled(300) > 150


@pytest.mark.parametrize("rows", [1, 4])
def test_filling_ends_once_it_is_measured_to_cost_more(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    host = ClockedRunner(monkeypatch, rows, uniform=0.02, other=0.007)
    host.run(copies(rows))
    assert 0 < host.filled(60) <= 6
    assert host.filled(300) == host.filled(60)


def test_filling_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    host = ClockedRunner(monkeypatch, 4, uniform=0.005, other=0.007, fill=False)
    host.run(copies(4))
    assert host.filled(100) == 0
    assert host.kinds(100)["other"] > 20


def test_what_is_filled_in_counts_for_no_level(monkeypatch: pytest.MonkeyPatch) -> None:
    host = ClockedRunner(monkeypatch, 4, uniform=0.005, other=0.007)
    host.run(copies(4))
    sent = sum(len(draft) for drafts in host.drafts for draft in drafts)
    snapshot = host.snapshots[-1]
    chosen = sum(level["chosen"] for level in snapshot["levels"].values())
    assert 0 < chosen == snapshot["tokens"]["drafted"] < sent


def test_a_request_that_cannot_have_a_longest_draft_leaves_the_others_unfilled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = ClockedRunner(monkeypatch, 2, uniform=0.005, other=0.007)
    host.run([*copies(1), *copies(1, prompt=LENGTH - 500, output=499, seed=1)])
    short = [step for step, room in enumerate(host.rooms, 1) if room < LONGEST]
    assert short
    assert host.filled(short[0] - 1) > 0
    assert host.filled(short[-1]) == host.filled(short[0] - 1)


def test_a_uniform_step_stands_beside_the_curve() -> None:
    curve = StepTimeCurve(32)
    for _ in range(3):
        curve.observe(1, 1, 0.007)
        curve.observe(1, 8, 0.005, uniform=True)
    assert curve.table(1)[1] == pytest.approx(0.007)
    assert curve.table(1)[8] >= 0.007
    assert curve.uniform(1, 8) == pytest.approx(0.005)
    assert curve.milliseconds(1) == {"1": 7.0}
    assert curve.uniform(2, 16) == pytest.approx(0.7 * curve.table(2)[2])


def filling() -> tuple[Filling, Block]:
    """Makes the choice for one request that can have a longest draft, with steps of both kinds measured."""
    curve = StepTimeCurve(32)
    for _ in range(3):
        curve.observe(1, 1, 0.007)
        curve.observe(1, 7, 0.0077)
        curve.observe(1, 8, 0.005, uniform=True)
    block = HierarchicalDrafter(HSDConfig(), DraftLimits(LONGEST, VOCABULARY, LENGTH), 1)._block
    block.state[0, [SLOT, ROOM]] = 0, LONGEST
    return Filling(curve, LONGEST, allowed=True), block


def test_nothing_is_filled_up_while_steps_do_not_come_as_sent_and_again_once_they_do() -> None:
    choice, block = filling()

    def chosen(as_sent: bool) -> bool:
        choice.came(as_sent=as_sent)
        choice.next_call()
        assert choice.consider(block, rows=1, drafting=1)
        choice.choose_if_faster(rows=1, expected=1.0, goodput=1.0 / 0.007)
        return choice.chosen

    assert chosen(True)
    assert [chosen(False) for _ in range(40)][-1] is False
    assert [chosen(True) for _ in range(40)][-1] is True


def test_a_step_with_a_prompt_in_it_is_not_filled_up() -> None:
    choice, block = filling()
    assert not choice.consider(block, rows=1, drafting=0)


@pytest.mark.parametrize(("uniform", "explored"), [(0.005, True), (0.0104, True), (0.0106, False)])
def test_what_is_known_to_cost_much_is_not_explored(uniform: float, explored: bool) -> None:
    curve = StepTimeCurve(32)
    for _ in range(3):
        curve.observe(1, 1, 0.007)
        curve.observe(1, 8, uniform, uniform=True)
    choice = Filling(curve, LONGEST, allowed=True)
    choice.choose_to_explore(1)
    assert choice.chosen is explored


def test_a_token_in_the_place_of_filling_costs_nothing_and_both_kinds_of_steps_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = ClockedRunner(monkeypatch, 4, uniform=0.005, other=0.007)
    host.run(copies(4))
    first = next(step for step in range(1, 300) if host.filled(step))
    assert host.prices[first - 1] == 0.0
    snapshot = host.snapshots[first + 4]
    assert snapshot["uniform_step_time_ms"] == {"32": pytest.approx(5.0)}
    assert snapshot["step_time_ms"]["4"] == pytest.approx(7.0)
