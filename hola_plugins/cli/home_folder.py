"""Paths that begin with ``~``: a shell leaves it as it is behind ``--out=``."""

from __future__ import annotations

from pathlib import Path

import typer


def in_home(value: Path | str | None) -> Path | str | None:
    """Puts the home folder in the place of a leading ``~``; for options that take a path, or a hub id.

    Raises:
        typer.BadParameter: If there is no such home folder.
    """
    if value is None or not str(value).startswith("~"):
        return value
    try:
        return type(value)(Path(value).expanduser())
    except RuntimeError:
        raise typer.BadParameter(f"{value} names no home folder that is known: write the path out") from None
