"""Files that are whole or not there: written beside their place and moved into it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_text(file: Path, text: str) -> None:
    """Writes a file in one move; what was there before stays where that fails. No link is followed.

    Args:
        file: The file; its folder is made.
        text: What it shall hold.

    Raises:
        OSError: If there is no room or no right to write; the message names the file.
    """
    content = text.encode("utf-8")
    staged = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        staged.unlink(missing_ok=True)
        with staged.open("xb") as new:
            new.write(content)
        staged.replace(file)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise OSError(
            error.errno, f"{file} could not be written and is as it was: {error.strerror}"
        ) from error


def write_json(file: Path, content: Any) -> None:
    """Writes strings, numbers, lists and dicts as a JSON file, as `write_text` does."""
    write_text(file, json.dumps(content, indent=1))
