"""Runs a command that ends when this process's standard input does: python -m hola_plugins.pilot.leash COMMAND...

The pilot holds the other end of that pipe. When it goes, however it goes, the pipe closes, and the command's whole
process group is stopped; no server outlives a pilot that was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

_GRACE_S = 20.0
"""Seconds between asking and forcing."""


def run(command: list[str]) -> int:
    """Runs a command on the leash; gives its exit status, negative for a signal."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
    signal.signal(signal.SIGTERM, lambda *_: _Stopper(child).start())
    _PipeWatch(child).start()
    status = child.wait()
    _signal(child, signal.SIGKILL)
    return status


class _Stopper(threading.Thread):
    """Asks a command to end, then makes it."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self._child = child

    def run(self) -> None:
        _signal(self._child, signal.SIGTERM)
        time.sleep(_GRACE_S)
        _signal(self._child, signal.SIGKILL)


class _PipeWatch(_Stopper):
    """Does so once standard input ends."""

    def run(self) -> None:
        while os.read(0, 1):
            continue
        super().run()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Sends a signal to all processes of the command that are left."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
