"""Counters of the drafter: a snapshot, a log line at an interval, a JSON-lines file."""

from __future__ import annotations

import errno
import json
import logging
import os
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any

import numpy as np

from hola_plugins.hsd.config import ConfigError, TelemetryConfig

logger = logging.getLogger("vllm.hola_plugins.hsd")
"""Below vLLM's own, which alone shows what is no warning."""

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

    def count(self, rows: int, emitted: int, accepted: int) -> None:
        """Notes one call: rows that emitted tokens, how many tokens, and drafted ones accepted among them."""
        self.rows += rows
        self.emitted += emitted
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
    """Writes snapshots where the settings say, never more often than they say, and the last one when the process ends.

    Args:
        config: Intervals and file.
        snapshot: Gives the counters.

    Raises:
        ConfigError: The file cannot be opened.
    """

    def __init__(self, config: TelemetryConfig, snapshot: Callable[[], Snapshot]) -> None:
        self._config = config
        self._snapshot = snapshot
        self._log_every = config.log_interval_s or float("inf")
        self._line_every = config.jsonl_interval_s if config.jsonl else float("inf")
        self._failing = False
        now = time.perf_counter()
        self._next_log = now + self._log_every
        self._next_line = now + self._line_every
        if config.jsonl is not None:
            _check_file(config.jsonl)
            Finalize(None, _write_last, args=(weakref.ref(self),), exitpriority=0)

    def tick(self, now: float) -> None:
        """Writes what is due at ``now`` (seconds of `time.perf_counter`), after a jump back an interval later."""
        if now >= self._next_log:
            self._next_log = float("inf")
            logger.info("%s", summary_line(self._snapshot()))
        if now >= self._next_line:
            self._next_line = float("inf")
            self.write_line()
        self._next_log = min(self._next_log, now + self._log_every)
        self._next_line = min(self._next_line, now + self._line_every)

    def write_line(self) -> None:
        """Appends one snapshot to the JSONL file, if there is one; a failure is logged once, until it is over."""
        if self._config.jsonl is None:
            return
        try:
            with open(self._config.jsonl, "a", encoding="utf-8", opener=_without_waiting) as file:
                file.write(json.dumps(self._snapshot()) + "\n")
        except (OSError, ValueError) as error:
            if not self._failing:
                logger.warning("HSD telemetry pauses: cannot append to %s: %s", self._config.jsonl, error)
            self._failing = True
        else:
            self._failing = False


def _write_last(reporter: weakref.ref[Reporter]) -> None:
    """Writes the counters of a drafter that is still there when its process ends."""
    found = reporter()
    if found is not None:
        found.write_line()


def _check_file(path: str) -> None:
    """Refuses a file that cannot be opened; a pipe may find its reader later."""
    try:
        with open(path, "a", encoding="utf-8", opener=_without_waiting):
            pass
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) != errno.ENXIO:
            raise ConfigError(
                f"HSD setting 'telemetry.jsonl' = {path!r}: cannot append to it ({error}); "
                f"give a file in a folder that is there and may be written to"
            ) from None


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; a pipe that nobody reads is an error, not a wait."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)


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
