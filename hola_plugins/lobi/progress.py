"""Progress bars on standard error, with the time left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")


def track(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Yields the items while a bar shows how far it is; nothing is drawn outside a terminal.

    Args:
        items: What is worked through.
        what: The words in front of the bar.
        total: Number of items.
    """
    console = Console(stderr=True)
    columns = (TextColumn(f"Lo-Bi: {what}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield from bar.track(items, total=total)
