"""Counters reach the file and the log, and a file that cannot be written stops nothing."""

from __future__ import annotations

import json
import logging
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runner import FakeRunner, Replay

from hola_plugins.hsd.config import ConfigError, HSDConfig, TelemetryConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.hsd.telemetry import Reporter
from hola_plugins.hsd.telemetry_file import SnapshotFile

MakeDrafter = Callable[..., HierarchicalDrafter]


@pytest.fixture
def served(make_drafter: MakeDrafter) -> HierarchicalDrafter:
    """A drafter that has served one repetitive request."""
    drafter = make_drafter(rows=1)
    FakeRunner(drafter, 1, 512, 64, 8).run([Replay([1, 2, 3, 4, 5, 6] * 20, prompt=12)])
    return drafter


def test_counters_add_up(served: HierarchicalDrafter) -> None:
    snapshot = served.snapshot()
    tokens, levels = snapshot["tokens"], snapshot["levels"].values()
    assert tokens["emitted"] == 108
    assert tokens["accepted"] == sum(level["accepted"] for level in levels)
    assert tokens["emitted"] == tokens["rows"] + tokens["accepted"]
    assert tokens["drafted"] == sum(level["chosen"] for level in levels)
    for level in levels:
        assert level["accepted"] <= level["chosen"]
        assert level["matched"] <= level["judged"] <= level["proposed"]
        assert 0.0 <= level["gate_pass_rate"] <= 1.0
    assert snapshot["levels"]["request"]["gate_pass_rate"] > 0.0
    json.dumps(snapshot)


def test_snapshots_go_to_the_log_at_an_interval(
    served: HierarchicalDrafter, caplog: pytest.LogCaptureFixture
) -> None:
    reporter = Reporter(TelemetryConfig(log_interval_s=1.0), served.snapshot)
    now = time.perf_counter()
    with caplog.at_level(logging.INFO):
        for seconds in (0.5, 1.5, 1.6, 2.7):
            reporter.tick(now + seconds)
    assert caplog.text.count("mean acceptance length") == 2


def test_lines_are_written_when_due_and_when_calls_pause(served: HierarchicalDrafter, tmp_path: Path) -> None:
    file = SnapshotFile(str(tmp_path / "hsd.jsonl"), 1e9, served.snapshot)
    assert not file.look(due=True)
    file.note_call()
    assert not file.look(due=False)
    assert file.look(due=False)
    assert not file.look(due=True)
    file.note_call()
    assert file.look(due=True)
    lines = (tmp_path / "hsd.jsonl").read_text().splitlines()
    assert [json.loads(line)["tokens"]["emitted"] for line in lines] == [108, 108]


def test_a_burst_shorter_than_the_interval_is_written_though_nothing_follows(
    make_drafter: MakeDrafter, tmp_path: Path
) -> None:
    path = tmp_path / "hsd.jsonl"
    drafter = make_drafter(rows=1, telemetry={"jsonl": str(path), "jsonl_interval_s": 1e6})
    FakeRunner(drafter, 1, 512, 64, 8).run([Replay([1, 2, 3, 4, 5, 6] * 20, prompt=12)])
    until = time.monotonic() + 30
    while not path.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert json.loads(path.read_text())["tokens"]["emitted"] == 108


@pytest.mark.parametrize("place", ["no/hsd.jsonl", ".", "a\0b"])
def test_a_file_that_cannot_be_opened_is_refused_at_once(
    make_drafter: MakeDrafter, tmp_path: Path, place: str
) -> None:
    with pytest.raises(ConfigError, match=r"'telemetry.jsonl' = .*: cannot append to it .*; give a file"):
        make_drafter(telemetry={"jsonl": str(tmp_path / place)})


def test_a_file_that_cannot_be_written_for_a_while_is_taken_up_again(
    served: HierarchicalDrafter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    file = SnapshotFile(str(folder / "hsd.jsonl"), 1e9, served.snapshot)
    folder.rename(tmp_path / "away")
    for _ in range(3):
        file.write_line()
    assert caplog.text.count("telemetry pauses") == 1
    folder.mkdir()
    file.write_line()
    assert json.loads((folder / "hsd.jsonl").read_text())["tokens"]["emitted"] == 108


_KEPT: list[HierarchicalDrafter] = []
"""What lives as long as its process."""


def _serve_for_a_moment(file: str) -> None:
    """Serves for less than an interval."""
    config = HSDConfig.model_validate({"deterministic": True, "telemetry": {"jsonl": file}})
    _KEPT.append(HierarchicalDrafter(config, DraftLimits(8, 64, 512), 1))
    FakeRunner(_KEPT[0], 1, 512, 64, 8).run([Replay([1, 2, 3, 4, 5, 6] * 20, prompt=12)])


def test_what_is_known_when_a_process_ends_is_written(tmp_path: Path) -> None:
    file = tmp_path / "hsd.jsonl"
    process = multiprocessing.get_context("fork").Process(target=_serve_for_a_moment, args=(str(file),))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert json.loads(file.read_text())["tokens"]["emitted"] == 108
