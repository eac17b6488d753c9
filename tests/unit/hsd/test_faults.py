"""What goes wrong beside the drafter: a level that hangs or writes garbage, a clock that jumps, a cut file."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing_level import FailingLevel
from fake_runner import FakeRunner, Replay
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.guard import LevelGuard
from hola_plugins.hsd.level import BUCKET, DRAFTED, OPEN, OWNER, ROOM, SLOT, WINDOW, Block, Gate, Tokens
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.hsd.shared_store import SharedStore
from hola_plugins.hsd.telemetry_file import SnapshotFile
from hola_plugins.stats import read_snapshot

REPLAYS = [Replay([1, 2, 3, 4, 5, 6, 7] * 20, prompt=14 + place) for place in range(6)]


class ForeignLevel:
    """A level of somebody else's, whose `extend` is given."""

    name = "foreign"
    number = 3

    def __init__(self, extend: Callable[[Block], None]) -> None:
        self._extend = extend

    def learn(self, tokens: Tokens) -> None:
        """Learns nothing."""

    def extend(self, block: Block, gate: Gate) -> None:
        """Does what was given."""
        self._extend(block)

    def forget(self, slot: int) -> None:
        """Forgets nothing."""


def _serve(extend: Callable[[Block], None], **config: Any) -> tuple[FakeRunner, dict[str, Any]]:
    """Serves copies with a foreign level behind the others; gives the runner and the counters."""
    drafter = HierarchicalDrafter(
        HSDConfig.model_validate(config), DraftLimits(8, 64, 512), 4, (ForeignLevel(extend),)
    )
    runner = FakeRunner(drafter, 4, 512, 64, 8)
    runner.run([Replay(list(one.tokens), one.prompt) for one in REPLAYS])
    snapshot = drafter.snapshot()
    assert all(math.isfinite(value) for value in _numbers(snapshot))
    return runner, snapshot


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for one in value.values() for number in _numbers(one)]
    return [value] if isinstance(value, int | float) else []


def test_a_level_of_ones_own_may_be_built_on_a_store() -> None:
    store = SharedStore(1024, number=3)
    store.add(np.array(list(range(7, 60)), dtype=np.int32))
    config = HSDConfig.model_validate({"deterministic": True})
    drafter = HierarchicalDrafter(config, DraftLimits(8, 64, 512), 2, (store,))
    FakeRunner(drafter, 2, 512, 64, 8).run([Replay([5, *range(7, 50)], prompt=6)])
    snapshot = drafter.snapshot()
    assert snapshot["errors"] == 0
    assert snapshot["tokens"]["accepted"] > 10


def test_a_level_that_hangs_is_left_out_and_the_others_go_on() -> None:
    runner, snapshot = _serve(lambda block: time.sleep(0.02), deadline_ms=5.0)
    level = snapshot["levels"]["foreign"]
    assert level["errors"] >= 1
    assert level["backed_off"]
    assert level["asked"] < snapshot["calls"]
    assert snapshot["levels"]["request"]["errors"] == 0
    assert runner.emitted > runner.steps


def _left_out(guard: LevelGuard, call: int) -> int:
    """Has a level fail in a call; gives for how many calls it is then left out."""
    assert not guard.run(call, guard.level.extend, None, None)
    return next(calls for calls in range(1 << 17) if not guard.backed_off(call + 1 + calls))


def test_each_failure_in_a_row_doubles_the_calls_that_a_level_is_left_out_for() -> None:
    guard, call, found = LevelGuard(FailingLevel(), 8), 0, []
    for _ in range(15):
        found.append(_left_out(guard, call))
        call += 1 + found[-1]
    assert found == [min(8 << failure, 1 << 16) for failure in range(15)]


@pytest.mark.parametrize(("good", "calls"), [(7, 16), (8, 8)])
def test_as_many_good_calls_as_the_first_back_off_has_make_the_next_one_short_again(
    good: int, calls: int
) -> None:
    guard = LevelGuard(FailingLevel(), 8)
    resumed = 1 + _left_out(guard, 0)
    assert all(guard.run(resumed + call, lambda: None) for call in range(good))
    assert _left_out(guard, resumed + good) == calls


def _ids_out_of_range(block: Block) -> None:
    for row in np.flatnonzero(block.state[:, OPEN]):
        block.window[row, WINDOW + block.state[row, DRAFTED]] = 10**9
        block.state[row, DRAFTED] += 1


def _no_probabilities(block: Block) -> None:
    for row in np.flatnonzero(block.state[:, OPEN]):
        place = block.state[row, DRAFTED]
        block.window[row, WINDOW + place] = 3
        block.chance[row, place] = np.nan
        block.survival[row] = np.nan
        block.state[row, DRAFTED] += 1


def _longer_than_the_row(block: Block) -> None:
    block.state[:, DRAFTED] = 10_000
    block.state[:, ROOM] = 10_000


def _shorter_than_nothing(block: Block) -> None:
    block.state[:, DRAFTED] = -5


def _slots_of_nobody(block: Block) -> None:
    block.state[:, SLOT] = 1 << 20


def _predictions_of_nobody(block: Block) -> None:
    block.trail_length[:] = 1 << 20
    block.trail[:, :, OWNER] = 99
    block.trail[:, :, BUCKET] = -(1 << 20)


def _probabilities_of_another_kind(block: Block) -> None:
    block.calibration[3] = np.inf
    block.chance[:] = -7.0


def _walks_of_others(block: Block) -> None:
    block.walks[:3] = 1 << 40


def _wrong_shape(block: Block) -> None:
    block.window[:, :3] = np.zeros((len(block.window), 4))


GARBAGE = [
    _ids_out_of_range,
    _no_probabilities,
    _longer_than_the_row,
    _shorter_than_nothing,
    _slots_of_nobody,
    _predictions_of_nobody,
    _probabilities_of_another_kind,
    _walks_of_others,
    _wrong_shape,
]


@pytest.mark.parametrize("extend", GARBAGE, ids=lambda one: one.__name__.strip("_"))
@pytest.mark.parametrize("mode", ["goodput", "static"])
def test_garbage_of_a_level_costs_drafts_and_nothing_else(extend: Callable[[Block], None], mode: str) -> None:
    runner, snapshot = _serve(extend, control={"mode": mode})
    assert runner.emitted == sum(len(one.tokens) - one.prompt for one in REPLAYS)
    assert snapshot["levels"]["request"]["errors"] == 0
    assert snapshot["levels"]["foreign"]["errors"] or snapshot["tokens"]["sanitised"]
    assert snapshot["tokens"]["accepted"] > 0


@settings(max_examples=20, deadline=None)
@given(jumps=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_a_clock_that_jumps_leaves_drafts_and_finite_figures(jumps: list[float]) -> None:
    clock, calls = time.perf_counter, iter(range(1 << 30))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: clock() + jumps[next(calls) % len(jumps)])
        patch.setattr(time, "time", lambda: 1e9 + jumps[next(calls) % len(jumps)])
        runner, snapshot = _serve(lambda block: None)
    assert runner.emitted == sum(len(one.tokens) - one.prompt for one in REPLAYS)
    assert snapshot["levels"]["request"]["errors"] == 0
    assert snapshot["draft_us"]["p50"] >= 0.0
    assert snapshot["uptime_s"] >= 0.0
    assert all(value >= 0.0 for value in snapshot["step_time_ms"].values())


def test_a_clock_that_went_back_once_keeps_drafting() -> None:
    clock, calls = time.perf_counter, iter(range(1 << 30))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: clock() - (3600.0 if next(calls) > 60 else 0.0))
        runner, snapshot = _serve(lambda block: None)
    assert snapshot["tokens"]["accepted"] > 0
    assert runner.emitted / runner.steps > 1.5


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_file_cut_in_a_line_and_appended_to_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("telemetry") / "hsd.jsonl"
    calls = iter(range(100))
    telemetry = SnapshotFile(str(file), 1e6, lambda: {"calls": next(calls), "note": "käse"})
    telemetry.write_line()
    whole = file.stat().st_size
    for _ in range(data.draw(st.integers(1, 3))):
        before = file.stat().st_size
        telemetry.write_line()
        _cut(file, data.draw(st.integers(before, file.stat().st_size)))
    assert read_snapshot(str(file))["calls"] in range(100)
    assert file.stat().st_size >= whole
    telemetry.write_line()
    newest = [json.loads(line)["calls"] for line in file.read_bytes().splitlines() if _whole(line)]
    assert read_snapshot(str(file))["calls"] == newest[-1]


def _cut(file: Path, size: int) -> None:
    with file.open("r+b") as opened:
        opened.truncate(size)


def _whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
