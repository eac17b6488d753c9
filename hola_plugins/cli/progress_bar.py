"""The bar of long work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """Shows progress as a bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def expect(self, steps: int) -> None:
        """Takes note of how many steps there will be in all."""
        self._progress.update(self._task, total=steps)

    def show(self, doing: str) -> None:
        """Shows what is being done."""
        self._progress.update(self._task, description=doing)

    def step(self) -> None:
        """Takes note that one step is finished."""
        self._progress.advance(self._task)


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """Gives a bar that is gone at the end."""
    columns = (
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress)
