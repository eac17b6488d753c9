"""A folder of documents, indexed and asked: `hola index` and `hola ask`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hola_plugins.cli.ending import ends_with_2
from hola_plugins.cli.home_folder import in_home
from hola_plugins.cli.results_console import results_console
from hola_plugins.terminal_text import clean_line

if TYPE_CHECKING:
    from hola_plugins.corpus.files import SourceFile
    from hola_plugins.corpus.indexing import Indexer

_STOPPED = "stopped; what was done is saved, the same command goes on"


def index(
    folder: Annotated[Path, typer.Argument(help="The folder with your text, markdown and PDF files.")],
    index_folder: Annotated[
        Path | None,
        typer.Option("--index", help="Where the index goes.", show_default="FOLDER/.hola", callback=in_home),
    ] = None,
    embedding: Annotated[
        str | None,
        typer.Option(
            help="A sentence-transformers model, by path or hub id.", show_default="MiniLM", callback=in_home
        ),
    ] = None,
    chunk: Annotated[
        int | None, typer.Option(help="Most characters of a passage, 100 to 100,000.", show_default="800")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Only files that fit this pattern; may be repeated.")
    ] = None,
) -> None:
    """Makes or updates an index of a folder of documents, for `hola ask`.

    Only new and changed files are embedded; files that went are forgotten. A run that was stopped goes on where
    it was. Ends with status 2 when nothing could be indexed.
    """
    with ends_with_2("index", _STOPPED):
        from hola_plugins.corpus.files import SUFFIXES, find_files
        from hola_plugins.corpus.indexing import Indexer, open_store
        from hola_plugins.corpus.settings import default_index, updated_settings
        from hola_plugins.files.locked_folder import locked

        files = find_files(folder, include or ())
        if not files:
            raise ValueError(f"no file to index in {folder}: it reads {', '.join(SUFFIXES)}")
        target = index_folder or default_index(folder)
        with locked(target, "give another folder for the index (--index)"):
            settings = updated_settings(target, embedding, chunk)
            store = open_store(target, settings)
            _run_indexer(Indexer(store, target, settings.chunk), files)
        if not len(store):
            raise ValueError(f"nothing could be indexed in {folder}: none of its files gave a text")


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
    with ends_with_2("ask", "stopped"):
        from hola_plugins.corpus.answer_view import render_answer
        from hola_plugins.corpus.asking import open_index

        answer = open_index(where).ask(question, k=k, budget=budget)
        if as_json:
            typer.echo(json.dumps(answer.as_json()))
        else:
            results_console().print(render_answer(answer))


def _run_indexer(indexer: Indexer, files: list[SourceFile]) -> None:
    """Shows a progress bar, then what was done and what could not, or not surely, be read."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        for step in indexer.run(files):
            progress.update(
                task, description=clean_line(step.file), completed=step.done, total=max(step.total, 1)
            )
    report = indexer.report
    notes = [f"not read: {name}: {why}" for name, why in report.unreadable]
    notes += [f"doubtful: {name}: {why}" for name, why in report.doubtful]
    for note in notes:
        console.print(clean_line(note), style="yellow", markup=False)
    console.print(indexer.summary(), markup=False)
