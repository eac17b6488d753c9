"""A lock that many readers share and one writer has alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ReadWriteLock:
    """Lets readers in together and a writer alone, and neither waits for ever.

    A waiting writer goes before new readers; when it leaves, the readers that waited go before the next writer.
    Not reentrant: a thread that holds it in either way must not ask for it again.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0
        self._readers_waiting = 0
        self._turn = 0
        self._admitted = 0
        self._reading = _Reading(self._enter, self._leave)

    def reading(self) -> _Reading:
        """Holds the lock together with other readers."""
        return self._reading

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Holds the lock alone."""
        with self._condition:
            self._writers_waiting += 1
            try:
                self._condition.wait_for(lambda: not (self._writing or self._readers or self._admitted))
            except BaseException:
                self._condition.notify_all()
                raise
            finally:
                self._writers_waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._turn += 1
                self._admitted = self._readers_waiting
                self._condition.notify_all()

    def _enter(self) -> None:
        with self._condition:
            if self._writing or self._writers_waiting:
                self._await_turn()
            self._readers += 1

    def _await_turn(self) -> None:
        """Waits until the present writer, or the one that waits, has left."""
        came = self._turn
        self._readers_waiting += 1
        try:
            self._condition.wait_for(
                lambda: not self._writing and (came != self._turn or not self._writers_waiting)
            )
        finally:
            self._readers_waiting -= 1
            if came != self._turn:
                self._admitted -= 1
            self._condition.notify_all()

    def _leave(self) -> None:
        with self._condition:
            self._readers -= 1
            if not self._readers and self._writers_waiting:
                self._condition.notify_all()


class _Reading:
    """A reader's hold on a lock; it has no state of its own, so one serves all threads, and costs a microsecond."""

    __slots__ = ("_enter", "_leave")

    def __init__(self, enter: Callable[[], None], leave: Callable[[], None]) -> None:
        self._enter = enter
        self._leave = leave

    def __enter__(self) -> None:
        self._enter()

    def __exit__(self, *_: object) -> None:
        self._leave()
