"""What is installed, and what the engine should run with: `hola doctor` and `hola preload`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Skip what imports vLLM, torch or numba.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Shows what is installed, what works, and what to do about the rest.

    Ends with status 1 when HSD cannot run, and 0 when it can, or when this is the environment of another method.
    """
    from hola_plugins.doctor import can_run, diagnose
    from hola_plugins.doctor.report import findings_as_json, render_findings

    findings = list(diagnose(quick=quick))
    if as_json:
        typer.echo(findings_as_json(findings))
    else:
        Console().print(render_findings(findings))
    raise typer.Exit(0 if can_run(findings) else 1)


def preload() -> None:
    """Prints the LD_PRELOAD value that makes vLLM fast on a CPU: tcmalloc and Intel's OpenMP, where found."""
    from hola_plugins.doctor.preload import preload_value

    typer.echo(preload_value())
