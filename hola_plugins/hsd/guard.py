"""Runs levels so that one that fails, hangs or writes garbage is counted, logged and left out for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from hola_plugins.hsd.block_copy import BlockCopy
from hola_plugins.hsd.level import Block, Gate, Level

logger = logging.getLogger(__name__)

_LONGEST_BACKOFF = 1 << 16

_OVERRUNS = 3
"""Calls in a row in which a level alone takes longer than a call may, until it counts as failed."""


class LevelGuard:
    """Keeps one level's failures from the others and from the engine.

    Args:
        level: The level.
        backoff_calls: Calls for which it is left out after a failure; doubles with each in a row.
        limit_s: Seconds that being asked may take. A level is not interrupted: one that takes longer a few times in
            a row counts as failed.
        foreign: Whether what it leaves in a block is checked, and undone where it is garbage.
    """

    def __init__(
        self, level: Level, backoff_calls: int, limit_s: float = float("inf"), *, foreign: bool = False
    ) -> None:
        self.level = level
        self._limit_s = limit_s
        self._foreign = foreign
        self._overruns = 0
        self.errors = 0
        self.asked = 0
        self._first_backoff = backoff_calls
        self._backoff = backoff_calls
        self._resumes_at = 0

    def backed_off(self, call: int) -> bool:
        """Tells whether the level is left out in this call."""
        return call < self._resumes_at

    def takes_part(self, call: int) -> bool:
        """Tells whether the level is asked in this call, and counts it."""
        if self.backed_off(call):
            return False
        self.asked += 1
        return True

    def ask(self, call: int, block: Block, gate: Gate) -> bool:
        """Asks the level to extend a block; gives whether it ran well."""
        if not self.takes_part(call):
            return False
        started = time.perf_counter()
        ran = self.run(call, self._extend_checked if self._foreign else self.level.extend, block, gate)
        self._overruns = self._overruns + 1 if time.perf_counter() - started > self._limit_s else 0
        if ran and self._overruns >= _OVERRUNS:
            self._overruns = 0
            self.fail(
                call, TimeoutError(f"took over {1e3 * self._limit_s:g} ms in {_OVERRUNS} calls in a row")
            )
        return ran

    def _extend_checked(self, block: Block, gate: Gate) -> None:
        """Asks the level and undoes what it leaves if it fails or leaves garbage."""
        before = BlockCopy(block, self.level.number)
        try:
            self.level.extend(block, gate)
            before.check()
        except Exception:
            before.undo()
            raise

    def run(self, call: int, action: Callable[..., None], *arguments: object) -> bool:
        """Runs one action of the level unless it is backed off; gives whether it ran well."""
        if self.backed_off(call):
            return False
        try:
            action(*arguments)
        except Exception as error:
            self.fail(call, error)
            return False
        return True

    def forget(self, call: int, slot: int) -> None:
        """Has the level drop what belongs to one request, backed off or not."""
        try:
            self.level.forget(slot)
        except Exception as error:
            self.fail(call, error)

    def fail(self, call: int, error: Exception) -> None:
        """Counts a failure and starts or doubles the back-off."""
        in_a_row = self.errors > 0 and call - self._resumes_at < self._first_backoff
        self._backoff = min(self._backoff * 2, _LONGEST_BACKOFF) if in_a_row else self._first_backoff
        self._resumes_at = call + 1 + self._backoff
        self.errors += 1
        if self.errors == 1:
            logger.error(
                "HSD level %r failed and is left out for %d calls; serving goes on",
                self.level.name,
                self._backoff,
                exc_info=error,
            )


def run_together(
    guards: Iterable[LevelGuard], call: int, action: Callable[..., None], *arguments: object
) -> bool:
    """Runs one action of several levels at once, whose failure is that of each that takes part; gives whether it ran well."""
    try:
        action(*arguments)
    except Exception as error:
        for guard in guards:
            if not guard.backed_off(call):
                guard.fail(call, error)
        return False
    return True
