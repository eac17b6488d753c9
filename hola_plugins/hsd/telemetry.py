"""Counters of the drafter: a snapshot, a log line at an interval."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hola_plugins.hsd.config import TelemetryConfig
from hola_plugins.hsd.telemetry_file import SnapshotFile, logger

Snapshot = dict[str, Any]

_DURATIONS = 2048


@dataclass(slots=True)
class Totals:
    """Counters of the drafter as a whole."""

    drafted: int = 0
    accepted: int = 0
    emitted: int = 0
    rows: int = 0
    sanitised: int = 0
    errors: int = 0
    deadlines_missed: int = 0

    def count(self, rows: int, emitted: int, drafted: int, accepted: int) -> None:
        """Notes one step: rows that emitted tokens, how many tokens, the drafted ones it verified and accepted."""
        self.rows += rows
        self.emitted += emitted
        self.drafted += drafted
        self.accepted += accepted

    def as_dict(self) -> dict[str, int]:
        """Gives the token counters."""
        return {
            "drafted": self.drafted,
            "accepted": self.accepted,
            "emitted": self.emitted,
            "rows": self.rows,
            "sanitised": self.sanitised,
        }


class CallTimes:
    """The durations of the last calls."""

    def __init__(self) -> None:
        self._microseconds = np.zeros(_DURATIONS, dtype=np.float32)
        self._count = 0

    def add(self, seconds: float) -> None:
        """Notes one call."""
        self._microseconds[self._count % _DURATIONS] = seconds * 1e6
        self._count += 1

    def percentiles(self) -> dict[str, float]:
        """Gives p50 and p99 in microseconds; 0 before the first call."""
        if self._count == 0:
            return {"p50": 0.0, "p99": 0.0}
        known = self._microseconds[: min(self._count, _DURATIONS)]
        return {f"p{q}": round(float(np.percentile(known, q)), 1) for q in (50, 99)}


class Reporter:
    """Logs snapshots, never more often than the settings say, and has them written to the file that they name.

    Args:
        config: Intervals and file.
        snapshot: Gives the counters.

    Raises:
        ConfigError: The file cannot be opened.
    """

    def __init__(self, config: TelemetryConfig, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._every = config.log_interval_s or float("inf")
        self._next = time.perf_counter() + self._every
        self._file = None
        if config.jsonl is not None:
            self._file = SnapshotFile(config.jsonl, config.jsonl_interval_s, snapshot)

    def tick(self, now: float) -> None:
        """Logs what is due at ``now`` (seconds of `time.perf_counter`), after a jump back an interval later."""
        if self._file is not None:
            self._file.note_call()
        if now >= self._next:
            self._next = float("inf")
            logger.info("%s", summary_line(self._snapshot()))
        self._next = min(self._next, now + self._every)


def summary_line(snapshot: Snapshot) -> str:
    """Says a snapshot in one log line."""
    tokens, control = snapshot["tokens"], snapshot["control"]
    length = 1.0 + tokens["accepted"] / max(tokens["rows"], 1)
    rate = 100.0 * tokens["accepted"] / max(tokens["drafted"], 1)
    shares = ", ".join(
        f"{name} {level['accepted']}/{level['chosen']}" + (" (backed off)" if level["backed_off"] else "")
        for name, level in snapshot["levels"].items()
    )
    return (
        f"HSD: mean acceptance length {length:.2f}, drafted {tokens['drafted']}, accepted {rate:.1f} %, "
        f"accepted/chosen by level: {shares}; draft {snapshot['draft_us']['p50']:.0f} us p50 "
        f"{snapshot['draft_us']['p99']:.0f} us p99; breaker {control['breaker']}; errors {snapshot['errors']}"
    )
