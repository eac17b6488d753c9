"""Commands of other environments: on a leash, with their messages in a log file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_TAIL_LINES = 15
"""Last lines of a log that an error repeats where no exception stands in it."""

_SHOWN = 600
"""Characters of an exception that an error repeats."""

_ORIGIN = re.compile(r"^(?:\(\S[^)]* pid=\d+\) )?(?:ERROR [^\[]*\[[^\]]*\] ?)?")
"""What vLLM puts before a line: the process, and for an error time and place."""

_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)(?:: .*)?")

_FOLLOWED = ("The above exception was the direct cause", "During handling of the above exception")
"""Beginnings of the lines between an exception and the one that was raised for it."""

_OTHER = re.compile(
    r"\s*$|Traceback|The above exception|During handling of"
    r"|\[|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b|\d{4}-\d\d-\d\d|\S+:\d+: \w*Warning"
)
"""Beginning of a line that no exception goes on with: blank, of another exception, or of a log's next entry."""


class ProcessError(RuntimeError):
    """A command that failed; the message holds the place of its log and, as far as that tells it, the reason."""


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
            raise self.failed(f"ended with status {status}")

    def finish(self) -> None:
        """Waits for its end.

        Raises:
            ProcessError: It failed.
        """
        status = self._process.wait()
        if status:
            raise self.failed(f"ended with status {status}")

    def failed(self, why: str) -> ProcessError:
        """Gives the error of a command that did not do its work."""
        return ProcessError(f"{self.name} {why} (log: {self._log}):\n{_reason(self.output().splitlines())}")

    def let_go(self) -> None:
        """Has it ended, without waiting."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Ends it and all its processes."""
        self.let_go()
        self._process.wait()


def _reason(lines: Sequence[str]) -> str:
    """Gives the first exception of a log, and the last where it does not follow from that, else the last lines."""
    found = [text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..." for text in _exceptions(lines)]
    if not found:
        return "\n".join(lines[-_TAIL_LINES:])
    return "; then ".join(dict.fromkeys([found[0], found[-1]]))


def _exceptions(lines: Sequence[str]) -> list[str]:
    """Gives the exceptions of a log, each in one line, without those that another was raised for."""
    found: list[str] = []
    source: str | None = None
    for line in lines:
        text = _ORIGIN.sub("", line)
        origin = line.removesuffix(text)
        if source == origin and not _OTHER.match(text):
            found[-1] += f" {text.strip()}"
        elif _EXCEPTION.fullmatch(text):
            found.append(text.strip())
            source = origin
        else:
            source = None
            found = found[:-1] if text.startswith(_FOLLOWED) else found
    return found
