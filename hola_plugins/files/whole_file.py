"""Files that are whole or not there: written beside their place and moved into it."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any


def check_replaceable(file: Path) -> None:
    """Refuses a place that a new file must not take: writing there would put a file where a device or a pipe is.

    Raises:
        OSError: If there is something else than a file, or a link to something else.
    """
    if file.exists() and not file.is_file():
        raise OSError(
            errno.EEXIST, f"{file} is a folder, a pipe or a device, not a file: give the path of a file"
        )


def write_text(file: Path, text: str) -> None:
    """Writes a file in one move; what was there before stays where that fails. No link is followed.

    Args:
        file: The file; its folder is made.
        text: What it shall hold.

    Raises:
        OSError: If there is no room or no right to write, or no file may be there; the message names the file.
    """
    check_replaceable(file)
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
