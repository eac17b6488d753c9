"""Runs levels so that a failing one is counted, logged and left out for a while."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hola_plugins.hsd.level import Level

logger = logging.getLogger(__name__)

_LONGEST_BACKOFF = 1 << 16


class LevelGuard:
    """Keeps one level's failures from the others and from the engine.

    Args:
        level: The level.
        backoff_calls: Calls for which it is left out after a failure; doubles with each in a row.
    """

    def __init__(self, level: Level, backoff_calls: int) -> None:
        self.level = level
        self.errors = 0
        self.asked = 0
        self._first_backoff = backoff_calls
        self._backoff = backoff_calls
        self._resumes_at = 0
        self._failed_in = -1

    def backed_off(self, call: int) -> bool:
        """Tells whether the level is left out in this call."""
        return call < self._resumes_at

    def run(self, call: int, action: Callable[..., None], *arguments: object) -> bool:
        """Runs one action of the level unless it is backed off; gives whether it ran well."""
        if call < self._resumes_at:
            return False
        try:
            action(*arguments)
        except Exception as error:
            self._fail(call, error)
            return False
        return True

    def _fail(self, call: int, error: Exception) -> None:
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
