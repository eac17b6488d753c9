"""Commands of other environments: on a leash, with their messages in a log file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TAIL_LINES = 15
"""Last lines of a log that an error repeats."""

_TAIL_BYTES = 1 << 16


class ProcessError(RuntimeError):
    """A command that failed; the message holds the last lines of its log."""


class LoggedProcess:
    """A command whose output goes to a file, and which never outlives this process.

    Args:
        name: What it is, for messages.
        command: The command line.
        log: File that receives its output; what is there is replaced.
        environment: Variables beside the ones of this process.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        leash = [sys.executable, "-m", "hola_plugins.pilot.leash", *command]
        with log.open("wb") as file:
            self._process = subprocess.Popen(  # noqa: S603 - commands that the pilot builds
                leash,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the leash; the command is its child."""
        return self._process.pid

    def output(self) -> str:
        """Gives all that it wrote so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def check_running(self) -> None:
        """Checks that it has not ended.

        Raises:
            ProcessError: It has.
        """
        status = self._process.poll()
        if status is not None:
            raise ProcessError(f"{self.name} ended with status {status}:\n{self._tail()}")

    def finish(self) -> None:
        """Waits for its end.

        Raises:
            ProcessError: It failed.
        """
        status = self._process.wait()
        if status:
            raise ProcessError(f"{self.name} ended with status {status}:\n{self._tail()}")

    def failed(self, why: str) -> ProcessError:
        """Gives the error of a command that runs but does not do its work."""
        return ProcessError(f"{self.name} {why}:\n{self._tail()}")

    def let_go(self) -> None:
        """Has it ended, without waiting."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Ends it and all its processes."""
        self.let_go()
        self._process.wait()

    def _tail(self) -> str:
        """Gives the last lines of its log."""
        with self._log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])
