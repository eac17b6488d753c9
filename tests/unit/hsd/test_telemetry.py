"""Counters reach the file and the log, and a file that cannot be written stops nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runner import FakeRunner, Replay

from hola_plugins.hsd.config import TelemetryConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.telemetry import Reporter

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
    assert tokens["drafted"] >= sum(level["chosen"] for level in levels)
    for level in levels:
        assert level["accepted"] <= level["chosen"]
        assert level["matched"] <= level["judged"] <= level["proposed"]
        assert 0.0 <= level["gate_pass_rate"] <= 1.0
    json.dumps(snapshot)


def test_snapshot_goes_to_file_and_log(
    served: HierarchicalDrafter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "hsd.jsonl"
    config = TelemetryConfig(jsonl=str(file), jsonl_interval_s=1.0, log_interval_s=1.0)
    reporter = Reporter(config, served.snapshot)
    with caplog.at_level(logging.INFO):
        reporter.tick(float("inf"))
    assert json.loads(file.read_text())["tokens"]["emitted"] == 108
    assert "mean acceptance length" in caplog.text


def test_a_file_that_cannot_be_written_is_given_up(
    served: HierarchicalDrafter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reporter = Reporter(TelemetryConfig(jsonl=str(tmp_path / "no" / "hsd.jsonl")), served.snapshot)
    reporter.write_line()
    assert "telemetry stops" in caplog.text
