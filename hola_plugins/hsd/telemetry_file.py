"""Counters as JSON lines, written by a thread of their own, so that no disk holds up a step."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Any

from hola_plugins.hsd.config import ConfigError

logger = logging.getLogger("vllm.hola_plugins.hsd")
"""Below vLLM's own, which alone shows what is no warning."""

_PAUSE_S = 1.0
"""Seconds without a call after which what is known is written, due or not."""

_SHORTEST_S = 0.05
"""Seconds between two looks at what is to be written."""


class SnapshotFile:
    """Appends snapshots at an interval while calls come, once they pause, and when the process ends.

    Args:
        path: The file; made where it is not there.
        interval_s: Seconds between two lines.
        snapshot: Gives the counters.

    Raises:
        ConfigError: The file cannot be opened.
    """

    def __init__(self, path: str, interval_s: float, snapshot: Callable[[], dict[str, Any]]) -> None:
        _check(path)
        self._path = path
        self._snapshot = snapshot
        self._calls = self._looked = self._written = 0
        self._failing = False
        own = weakref.ref(self)
        Finalize(None, _write_last, args=(own,), exitpriority=0)
        threading.Thread(target=_keep_writing, args=(own, interval_s), daemon=True, name="hola-hsd").start()

    def note_call(self) -> None:
        """Notes that there is something new to write."""
        self._calls += 1

    def look(self, *, due: bool) -> bool:
        """Writes a line where there is something new and it is due, or nothing came since the last look.

        Args:
            due: Whether the interval is over.

        Returns:
            Whether it wrote.
        """
        paused = self._calls == self._looked
        self._looked = self._calls
        writes = self._calls != self._written and (due or paused)
        if writes:
            self.write_line()
        return writes

    def write_line(self) -> None:
        """Appends one snapshot; a failure is logged once, until it is over."""
        calls = self._calls
        try:
            line = json.dumps(self._snapshot()) + "\n"
            with open(self._path, "a", encoding="utf-8", opener=_without_waiting) as file:
                file.write(line)
        except (OSError, ValueError, RuntimeError, LookupError) as error:
            if not self._failing:
                logger.warning("HSD telemetry pauses: cannot append to %s: %s", self._path, error)
            self._failing = True
        else:
            self._failing, self._written = False, calls


def _keep_writing(own: weakref.ref[SnapshotFile], interval_s: float) -> None:
    """Writes what is due, as long as the file's owner is there."""
    wait_s = max(min(_PAUSE_S, interval_s), _SHORTEST_S)
    written_at = time.monotonic()
    while True:
        time.sleep(wait_s)
        file = own()
        if file is None:
            return
        if file.look(due=time.monotonic() - written_at >= interval_s):
            written_at = time.monotonic()
        del file


def _write_last(own: weakref.ref[SnapshotFile]) -> None:
    """Writes the counters of a drafter that is still there when its process ends."""
    file = own()
    if file is not None:
        file.look(due=True)


def _check(path: str) -> None:
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
