"""How commands end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from hola_plugins.terminal_text import clean


@contextmanager
def ends_with_2(command: str, stopped: str) -> Iterator[None]:
    """Turns what a user can mend into one line and status 2; Ctrl-C ends with 130.

    Args:
        command: Name of the command.
        stopped: What is said after Ctrl-C.
    """
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # its bars for loading weights
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        print_error(command, error)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        Console(stderr=True).print(stopped)
        raise typer.Exit(130) from None


def print_error(command: str, error: Exception) -> None:
    """Prints what ended a command; it may repeat text of strangers."""
    text = clean(f"hola {command}: {error}")
    Console(stderr=True).print(text, style="red", markup=False, highlight=False)
