"""The `hola` command. Its commands are in the modules of this package, those of one method or task together."""

from __future__ import annotations

from typing import Annotated

import typer

from hola_plugins.cli.compression import compress, recipe
from hola_plugins.cli.counters import stats
from hola_plugins.cli.documents import ask, index
from hola_plugins.cli.drafting import draft
from hola_plugins.cli.environment import doctor, preload
from hola_plugins.cli.pilot import pilot
from hola_plugins.cli.tune import tune

app = typer.Typer(
    name="hola",
    help="HOLA's methods: hierarchical speculative decoding (HSD) in vLLM, adaptive retrieval in LangChain, "
    "compression under a budget (Lo-Bi) in llmcompressor.",
    epilog="Start here: hola doctor  ·  hola index FOLDER  ·  hola compress MODEL --budget 45% --out DIR",
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
    """HOLA's methods: HSD in vLLM, AdaComp-RAG in LangChain, Lo-Bi in llmcompressor."""


app.command(epilog="Example: hola doctor --quick")(doctor)
app.command(epilog="Examples: hola stats hsd.jsonl --follow  ·  hola stats http://localhost:8000")(stats)
app.command(epilog='Example: export LD_PRELOAD="$(hola preload)"')(preload)
app.command(
    epilog='Examples: hola index docs  ·  hola index docs --include "*.md"  ·  then: hola ask docs "..."'
)(index)
app.command(epilog='Example: hola ask docs "Which valve closes first?" --budget 300')(ask)
app.command(
    epilog="Examples: hola compress MODEL --budget 45% --out small --calibration prompts.jsonl  ·  "
    "hola compress MODEL --budget 1.2GB --out small --device cuda"
)(compress)
app.command(epilog="Example: hola recipe small --out recipe.yaml")(recipe)
app.command(
    epilog="Examples: hola draft --model MODEL --out draft --prompts prompts.jsonl  ·  "
    "hola draft --model MODEL --out draft --size 15% --minutes 30"
)(draft)
app.command(epilog="Examples: hola pilot --init  ·  hola pilot pilot.yaml  ·  hola pilot pilot.yaml --fresh")(
    pilot
)
app.command(epilog="Examples: hola tune --init  ·  hola tune tune.yaml  ·  hola tune tune.yaml --fresh")(tune)
