"""Settings searched under your limits, on your own data: `hola tune`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from hola_plugins.cli.ending import ends_with_2, print_error
from hola_plugins.cli.progress_bar import progress_bar
from hola_plugins.cli.results_console import results_console

_STOPPED = "stopped; what was finished is saved, the same command goes on"


def tune(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration, a YAML file.")] = Path(
        "tune.yaml"
    ),
    init: Annotated[
        bool,
        typer.Option("--init", help="Write a commented configuration to CONFIG (and pilot.yaml), and end."),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume/--fresh", help="Go on where a run was stopped, or search everything anew."),
    ] = True,
) -> None:
    """Searches the settings that keep your limits at the least cost, and writes the files of all three hosts.

    You state what counts: a floor on accuracy or recall, a ceiling on latency or memory. Searched in this order:
    recall target and token budget (AdaComp; needs a floor on recall, and no server), bits and pruning (Lo-Bi; needs a
    floor on accuracy, even under a ceiling on memory), tau and levels (HSD); the last two on real servers, measured in
    turn. What is chosen is measured again on data that no search saw.

    The output folder receives tuned/: serve.yaml for vLLM, adacomp.json (and calibration.json) for the retriever,
    recipe.yaml for llmcompressor, and tuned.json with every trial. A stopped run goes on where it was, and what failed
    is tried again. A method whose gain is within noise is left out. Ends with status 1 when nothing keeps the limits, when
    on the data held out the choice breaks one, leaves one unmeasured, is not better than the baseline or could not be
    measured (its files are there even so), or when every setting of a method failed, and with 2 when the configuration
    or its data will not do.
    """
    with ends_with_2("tune", _STOPPED):
        if init:
            _write(config)
            return
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        _run(config, resume=resume)


def _write(path: Path) -> None:
    """Writes the configuration to start from, and the pilot's beside it where there is none."""
    from hola_plugins.pilot.template import write_config as write_pilot
    from hola_plugins.tune.template import write_config

    pilot = path.parent / "pilot.yaml"
    try:
        write_config(path, pilot.name)
    except FileExistsError:
        raise ValueError(f"{path} is there already: give another name, hola tune --init NAME.yaml") from None
    if not pilot.exists():
        write_pilot(pilot)
    typer.echo(f"{path} written, on {pilot}; next: hola tune {path}")


def _run(path: Path, *, resume: bool) -> None:
    """Runs a tuning and shows what it found."""
    from hola_plugins.pilot.config_file import digest_of, read_config
    from hola_plugins.pilot.process import ProcessError
    from hola_plugins.tune.config import TuneConfig
    from hola_plugins.tune.run import FOLDER, Tuner
    from hola_plugins.tune.summary import render_summary

    if not path.is_file():
        raise ValueError(f"no configuration at {path}: write one with hola tune --init {path}")
    config = read_config(path, TuneConfig)
    try:
        with progress_bar() as progress:
            tuned = Tuner(config, digest_of(path), progress, fresh=not resume).run()
    except ProcessError as error:
        print_error("tune", error)
        raise typer.Exit(1) from error
    shown = results_console()
    shown.print(render_summary(tuned))
    shown.print(f"\nfiles: {config.out / FOLDER}", markup=False, soft_wrap=True)
    raise typer.Exit(0 if tuned.sound else 1)
