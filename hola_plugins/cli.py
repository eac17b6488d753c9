"""The `hola` command."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.live import Live

app = typer.Typer(
    name="hola",
    help="Looks after hierarchical speculative decoding (HSD) in vLLM.",
    epilog="Start here: hola doctor",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Runs the command line."""
    app()


def _show_version(wanted: bool) -> None:
    """Prints the version and ends."""
    if wanted:
        from hola_plugins import __version__

        typer.echo(f"hola-plugins {__version__}")
        raise typer.Exit


@app.callback()
def hola(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and end.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Looks after hierarchical speculative decoding (HSD) in vLLM."""


@app.command(epilog="Example: hola doctor --quick")
def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Skip what imports vLLM, torch or numba.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Shows what is installed, what works, and what to do about the rest.

    Ends with status 0 when HSD can run and 1 when it cannot.
    """
    from hola_plugins.doctor import can_run, diagnose
    from hola_plugins.doctor.report import findings_as_json, render_findings

    findings = list(diagnose(quick=quick))
    if as_json:
        typer.echo(findings_as_json(findings))
    else:
        Console().print(render_findings(findings))
    raise typer.Exit(0 if can_run(findings) else 1)


@app.command(epilog="Examples: hola stats hsd.jsonl --follow  ·  hola stats http://localhost:8000")
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


@app.command(epilog='Example: export LD_PRELOAD="$(hola preload)"')
def preload() -> None:
    """Prints the LD_PRELOAD value that makes vLLM fast on a CPU: tcmalloc and Intel's OpenMP, where found."""
    from hola_plugins.doctor.preload import preload_value

    typer.echo(preload_value())


def _snapshots(source: str, interval: float | None) -> Iterator[dict[str, Any]]:
    """Reads the newest snapshot once, or again and again; all of a stream."""
    from hola_plugins.stats import read_lines, read_snapshot

    if source == "-":
        yield from read_lines(sys.stdin)
        return
    yield read_snapshot(source)
    while interval is not None:
        time.sleep(interval)
        yield read_snapshot(source)


def _show_last(snapshots: Iterator[dict[str, Any]]) -> None:
    """Prints the last of the snapshots."""
    Console().print(_render(deque(snapshots, maxlen=1).pop()))


def _show_live(snapshots: Iterator[dict[str, Any]]) -> None:
    """Shows every snapshot in the place of the one before."""
    with Live(auto_refresh=False) as live:
        for snapshot in snapshots:
            live.update(_render(snapshot), refresh=True)


def _render(snapshot: dict[str, Any]) -> RenderableType:
    """Renders a snapshot."""
    from hola_plugins.hsd.report import render_snapshot

    return render_snapshot(snapshot)


if __name__ == "__main__":
    main()
