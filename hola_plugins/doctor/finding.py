"""The result of one check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a finding bears on running HSD."""

    OK = "ok"
    NOTE = "note"
    """HSD runs; something is slower, untested or was not checked."""
    ABSENT = "absent"
    """HSD is not for this environment, which serves another method."""
    PROBLEM = "problem"
    """HSD does not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Args:
        name: The thing that was checked.
        status: How it bears on running HSD.
        value: What was found.
        remedy: What to do about it; empty exactly when the status is OK.

    Raises:
        ValueError: If a remedy is missing, or given where nothing is wrong.
    """

    name: str
    status: Status
    value: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.status is Status.OK) == bool(self.remedy):
            message = (
                f"remedy of {self.name!r} must be empty for status 'ok' and given otherwise, "
                f"got {self.remedy!r} for status {self.status.value!r}"
            )
            raise ValueError(message)


def ok(name: str, value: str) -> Finding:
    """Makes a finding that needs nothing."""
    return Finding(name, Status.OK, value)


def note(name: str, value: str, remedy: str) -> Finding:
    """Makes a finding with which HSD still runs."""
    return Finding(name, Status.NOTE, value, remedy)


def absent(name: str, value: str, remedy: str) -> Finding:
    """Makes a finding for what another method's environment does without."""
    return Finding(name, Status.ABSENT, value, remedy)


def problem(name: str, value: str, remedy: str) -> Finding:
    """Makes a finding that stops HSD."""
    return Finding(name, Status.PROBLEM, value, remedy)


def can_run(findings: Iterable[Finding]) -> bool:
    """Tells whether no finding stops HSD."""
    return all(finding.status is not Status.PROBLEM for finding in findings)
