"""The `hola` command."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.live import Live

if TYPE_CHECKING:
    from hola_plugins.corpus.files import SourceFile
    from hola_plugins.corpus.indexing import Indexer

app = typer.Typer(
    name="hola",
    help="HOLA's methods: hierarchical speculative decoding (HSD) in vLLM, adaptive retrieval in LangChain.",
    epilog="Start here: hola doctor  ·  hola index FOLDER",
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
    """HOLA's methods: hierarchical speculative decoding (HSD) in vLLM, adaptive retrieval in LangChain."""


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


@app.command(
    epilog='Examples: hola index docs  ·  hola index docs --include "*.md"  ·  then: hola ask docs "..."'
)
def index(
    folder: Annotated[Path, typer.Argument(help="The folder with your text, markdown and PDF files.")],
    index_folder: Annotated[
        Path | None, typer.Option("--index", help="Where the index goes.", show_default="FOLDER/.hola")
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(help="A sentence-transformers model, by path or hub id.", show_default="MiniLM"),
    ] = None,
    chunk: Annotated[
        int | None, typer.Option(help="Most characters of a passage.", show_default="800")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Only files that fit this pattern; may be repeated.")
    ] = None,
) -> None:
    """Makes or updates an index of a folder of documents, for `hola ask`.

    Only new and changed files are embedded; files that went are forgotten. A run that was stopped goes on where
    it was. Ends with status 2 when nothing could be indexed.
    """
    from hola_plugins.corpus.files import SUFFIXES, find_files
    from hola_plugins.corpus.indexing import Indexer, open_store
    from hola_plugins.corpus.settings import default_index, updated_settings

    with _ends_with_2("index"):
        files = find_files(folder, include or ())
        if not files:
            raise ValueError(f"no file to index in {folder}: it reads {', '.join(SUFFIXES)}")
        target = index_folder or default_index(folder)
        settings = updated_settings(target, embedding, chunk)
        _run_indexer(Indexer(open_store(target, settings), target, settings.chunk), files)


@app.command(epilog='Example: hola ask docs "Which valve closes first?" --budget 300')
def ask(
    where: Annotated[Path, typer.Argument(metavar="INDEX", help="The index, or the folder it was made of.")],
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    k: Annotated[
        int | None,
        typer.Option(min=1, help="Exactly so many passages.", show_default="as the question needs"),
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Most tokens; longer passages are cut by sentences.")
    ] = 400,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Shows what a model would be given for a question: the decision, the kept sentences, the tokens saved.

    No model is asked. Kept sentences are green, the rest of their passages is dim. A calibration saved as
    calibration.json in the index is used. Ends with status 2 when the index cannot be asked.
    """
    from hola_plugins.corpus.answer_view import render_answer
    from hola_plugins.corpus.asking import open_index

    with _ends_with_2("ask"):
        answer = open_index(where).ask(question, k=k, budget=budget)
        if as_json:
            typer.echo(json.dumps(answer.as_json()))
        else:
            Console(highlight=False).print(render_answer(answer))


def _run_indexer(indexer: Indexer, files: list[SourceFile]) -> None:
    """Shows a progress bar, then what was done and what could not be read."""
    from rich.progress import Progress

    console = Console(stderr=True, highlight=False)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        for step in indexer.run(files):
            progress.update(task, description=step.file, completed=step.done, total=max(step.total, 1))
    for name, why in indexer.report.unreadable:
        console.print(f"not read: {name}: {why}", style="yellow", markup=False)
    console.print(indexer.summary(), markup=False)


@contextmanager
def _ends_with_2(command: str) -> Iterator[None]:
    """Turns what a user can mend into one line and status 2; Ctrl-C ends with 130."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # its bars for loading weights
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        Console(stderr=True).print(f"hola {command}: {error}", style="red", markup=False, highlight=False)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; what was done is saved, the same command goes on")
        raise typer.Exit(130) from None


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
