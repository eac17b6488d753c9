"""Where commands print their results."""

from __future__ import annotations

import os

from rich.console import Console

_WIDTH_OF_A_FILE = 120


def results_console() -> Console:
    """Gives a console as wide as the terminal; in a file or a pipe, wide enough for a table with many columns."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_A_FILE
    return console
