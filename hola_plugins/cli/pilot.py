"""A pilot on your own model, prompts and documents: `hola pilot`."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Annotated

import typer

from hola_plugins.cli.ending import ends_with_2
from hola_plugins.cli.home_folder import in_home
from hola_plugins.cli.progress_bar import progress_bar
from hola_plugins.cli.results_console import results_console

_STOPPED = "stopped; what was finished is saved, the same command goes on"


def pilot(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration, a YAML file.")] = Path(
        "pilot.yaml"
    ),
    init: Annotated[
        bool, typer.Option("--init", help="Write a commented configuration to CONFIG, and end.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume/--fresh", help="Go on where a run was stopped, or measure everything anew."),
    ] = True,
    serve_python: Annotated[
        Path | None,
        typer.Option(help="Python of vLLM's environment.", show_default="as CONFIG says", callback=in_home),
    ] = None,
    compress_python: Annotated[
        Path | None,
        typer.Option(
            help="Python of llmcompressor's environment.", show_default="as CONFIG says", callback=in_home
        ),
    ] = None,
) -> None:
    """Measures what each method brings on your own model, prompts and documents, and what to switch on.

    The stages add up: vLLM as it comes, then HSD, AdaComp, Lo-Bi, and the intermediate level. Each is served by a real
    vLLM; the same prompts are sent to all, in interleaved repeats; latency, tokens, memory, accuracy and recall are
    measured. The output folder receives report.html, report.json, results.json and the logs.

    A stopped run goes on where it was, and a changed configuration measures anew what it touches. Ends with status 1
    when a stage or a score failed, which the report says too, and with 2 when the configuration or its data will not do.
    """
    with ends_with_2("pilot", _STOPPED):
        if init:
            _write(config)
            return
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        _run(config, resume=resume, serve_python=serve_python, compress_python=compress_python)


def _write(path: Path) -> None:
    """Writes the configuration to start from."""
    from hola_plugins.pilot.template import write_config

    try:
        write_config(path)
    except FileExistsError:
        raise ValueError(f"{path} is there already: give another name, hola pilot --init NAME.yaml") from None
    typer.echo(f"{path} written; next: hola pilot {path}")


def _run(path: Path, *, resume: bool, **pythons: Path | None) -> None:
    """Runs a pilot, writes its files, and shows what it found."""
    from hola_plugins.pilot.config import PilotConfig
    from hola_plugins.pilot.config_file import digest_of, read_config
    from hola_plugins.pilot.report import print_report, write_report
    from hola_plugins.pilot.run import Pilot

    if not path.is_file():
        raise ValueError(f"no configuration at {path}: write one with hola pilot --init {path}")
    config = read_config(path, PilotConfig, **pythons)
    given = [f"--{name.replace('_', '-')}={python}" for name, python in pythons.items() if python]
    command = shlex.join(["hola", "pilot", str(path), *([] if resume else ["--fresh"]), *given])
    with progress_bar() as progress:
        run = Pilot(config, command, digest_of(path), progress, fresh=not resume)
        results = run.run()
    page = write_report(results, config.out)
    shown = results_console()
    print_report(results, shown)
    shown.print(f"\nreport: {page}", markup=False, soft_wrap=True)
    raise typer.Exit(1 if run.problems else 0)
