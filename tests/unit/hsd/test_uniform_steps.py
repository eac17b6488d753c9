"""Steps that the host runs faster when every request has a longest draft: measured, filled up, never assumed."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from hola_plugins.hsd import drafter as module
from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.filling import Filling
from hola_plugins.hsd.level import ROOM, SLOT, Block
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.hsd.step_time import StepTimeCurve

LONGEST, VOCABULARY, LENGTH = 7, 500, 4096


class Host:
    """A host on an invented clock: requests that copy their prompt, and go on elsewhere now and then."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, rows: int, uniform: float, other: float, **control: object
    ) -> None:
        self.now = 0.0
        monkeypatch.setattr(module.time, "perf_counter", lambda: self.now)
        config = HSDConfig.model_validate(
            {"control": control, "telemetry": {"log_interval_s": 0}, "deadline_ms": 1e6}
        )
        limits = DraftLimits(LONGEST, VOCABULARY, LENGTH, full_graphs=True)
        self.drafter = HierarchicalDrafter(config, limits, rows)
        self._seconds = {True: uniform, False: other}
        self._random = random.Random(0)
        self.buffer = np.zeros((rows, LENGTH), dtype=np.int32)
        self.buffer[:, :512] = np.random.default_rng(0).integers(0, VOCABULARY, (rows, 512))
        self.lengths = np.full(rows, 512, dtype=np.int32)
        self._source = [0] * rows
        self.sampled = [self._emit(row, []) for row in range(rows)]
        self.kinds: Counter[str] = Counter()
        self.emitted = 0

    def step(self) -> list[list[int]]:
        """Drafts, verifies and lets the step's time pass; gives the drafts."""
        drafts = self.drafter.propose(self.sampled, self.lengths, self.buffer)
        lengths = {len(draft) for draft in drafts}
        full = lengths == {LONGEST}
        self.kinds["full" if full else "none" if lengths == {0} else "other"] += 1
        self.now += self._seconds[full]
        self.sampled = [self._emit(row, draft) for row, draft in enumerate(drafts)]
        self.emitted += sum(map(len, self.sampled))
        return drafts

    def _emit(self, row: int, draft: list[int]) -> list[int]:
        """Gives what the target says, up to the first token that the draft got wrong."""
        came: list[int] = []
        for guess in [*draft, -1]:
            came.append(self._next(row))
            if guess != came[-1]:
                break
        return came

    def _next(self, row: int) -> int:
        if self._random.random() < 0.2:
            self._source[row] = self._random.randrange(500)
        token = int(self.buffer[row, self._source[row]])
        self._source[row] += 1
        self.buffer[row, self.lengths[row]] = token
        self.lengths[row] += 1
        return token


@pytest.mark.parametrize("rows", [1, 4])
def test_drafts_are_filled_up_where_full_steps_are_faster(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    host = Host(monkeypatch, rows, uniform=0.005, other=0.007)
    for _ in range(300):
        host.step()
    assert host.kinds["full"] > 250
    snapshot = host.drafter.snapshot()
    assert snapshot["errors"] == snapshot["tokens"]["sanitised"] == 0
    assert snapshot["control"]["filled_calls"] > 150


@pytest.mark.parametrize("rows", [1, 4])
def test_filling_ends_once_it_is_measured_to_cost_more(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    host = Host(monkeypatch, rows, uniform=0.02, other=0.007)
    for _ in range(60):
        host.step()
    filled = host.drafter.snapshot()["control"]["filled_calls"]
    assert 0 < filled <= 6
    for _ in range(240):
        host.step()
    assert host.drafter.snapshot()["control"]["filled_calls"] == filled


def test_filling_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, 4, uniform=0.005, other=0.007, fill=False)
    for _ in range(100):
        host.step()
    assert host.drafter.snapshot()["control"]["filled_calls"] == 0
    assert host.kinds["other"] > 20


def test_what_is_filled_in_counts_for_no_level(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, 4, uniform=0.005, other=0.007)
    sent = sum(len(draft) for _ in range(300) for draft in host.step())
    snapshot = host.drafter.snapshot()
    chosen = sum(level["chosen"] for level in snapshot["levels"].values())
    assert 0 < chosen == snapshot["tokens"]["drafted"] < sent


def test_a_request_that_cannot_have_a_longest_draft_leaves_the_others_unfilled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Host(monkeypatch, 2, uniform=0.005, other=0.007)
    for _ in range(100):
        host.step()
    host.lengths[1] = LENGTH - 4
    for _ in range(3):
        before = host.drafter.snapshot()["control"]["filled_calls"]
        drafts = host.drafter.propose(host.sampled, host.lengths, host.buffer)
        assert len(drafts[1]) <= 3
        assert host.drafter.snapshot()["control"]["filled_calls"] == before


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
    host = Host(monkeypatch, 4, uniform=0.005, other=0.007)
    while not host.drafter.control.filling.chosen:
        host.step()
    assert host.drafter.control.price(4) == 0.0
    for _ in range(5):
        host.step()
    snapshot = host.drafter.snapshot()
    assert snapshot["uniform_step_time_ms"] == {"32": pytest.approx(5.0)}
    assert snapshot["step_time_ms"]["4"] == pytest.approx(7.0)
