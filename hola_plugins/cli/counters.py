"""HSD's counters: `hola stats`."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from hola_plugins.cli.ending import print_error
from hola_plugins.cli.results_console import results_console
from hola_plugins.terminal_text import clean


def stats(
    source: Annotated[
        str,
        typer.Argument(
            help="The JSONL file that the proposer writes, '-' for standard input, or http://host:port of a "
            "vLLM server started with VLLM_SERVER_DEV_MODE=1.",
        ),
    ],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Refresh until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between refreshes.")] = 2.0,
) -> None:
    """Shows HSD's counters: levels, acceptance, step times, control and memory.

    Ends with status 2 when there is nothing to show.
    """
    try:
        if follow:
            _show_live(_views(source, interval))
        else:
            results_console().print(_last(source))
    except ValueError as error:
        print_error("stats", error)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit from None


def _last(source: str) -> RenderableType:
    """Renders the newest snapshot; of a stream, the last one."""
    from hola_plugins.stats import read_lines, read_snapshot

    if source == "-":
        return _render(deque(read_lines(sys.stdin), maxlen=1).pop())
    return _render(read_snapshot(source))


def _views(source: str, interval: float) -> Iterator[RenderableType]:
    """Renders the newest snapshot again and again, and says where there was no newer one; all of a stream."""
    from hola_plugins.stats import SnapshotError, read_lines, read_snapshot

    if source == "-":
        yield from map(_render, read_lines(sys.stdin))
        return
    view = _render(read_snapshot(source))
    yield view
    read_at = time.monotonic()
    while True:
        time.sleep(interval)
        try:
            view = _render(read_snapshot(source))
        except SnapshotError as error:  # a file that is rotated, a server that starts anew or is gone
            age = time.monotonic() - read_at
            yield Group(view, Text(clean(f"these are {age:.0f} s old: {error}"), style="yellow"))
        else:
            read_at = time.monotonic()
            yield view


def _show_live(views: Iterator[RenderableType]) -> None:
    """Shows every view in the place of the one before."""
    with Live(auto_refresh=False) as live:
        for view in views:
            live.update(view, refresh=True)


def _render(snapshot: dict[str, Any]) -> RenderableType:
    """Renders a snapshot."""
    from hola_plugins.hsd.report import render_snapshot

    return render_snapshot(snapshot)
