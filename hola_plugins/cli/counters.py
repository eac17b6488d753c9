"""HSD's counters: `hola stats`."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from hola_plugins.cli.results_console import results_console


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
        snapshots = _snapshots(source, interval if follow else None)
        if follow:
            _show_live(snapshots)
        else:
            _show_last(snapshots)
    except ValueError as error:
        Console(stderr=True).print(f"hola stats: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        raise typer.Exit from None


def _snapshots(source: str, interval: float | None) -> Iterator[dict[str, Any]]:
    """Reads the newest snapshot once, or again and again; all of a stream."""
    from hola_plugins.stats import SnapshotError, read_lines, read_snapshot

    if source == "-":
        yield from read_lines(sys.stdin)
        return
    yield read_snapshot(source)
    while interval is not None:
        time.sleep(interval)
        with suppress(SnapshotError):  # a file that is rotated, a server that starts anew
            yield read_snapshot(source)


def _show_last(snapshots: Iterator[dict[str, Any]]) -> None:
    """Prints the last of the snapshots."""
    results_console().print(_render(deque(snapshots, maxlen=1).pop()))


def _show_live(snapshots: Iterator[dict[str, Any]]) -> None:
    """Shows every snapshot in the place of the one before."""
    with Live(auto_refresh=False) as live:
        for snapshot in snapshots:
            live.update(_render(snapshot), refresh=True)


def _render(snapshot: dict[str, Any]) -> RenderableType:
    """Renders a snapshot."""
    from hola_plugins.hsd.report import render_snapshot

    return render_snapshot(snapshot)
