"""One run at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(folder: Path, otherwise: str) -> Iterator[None]:
    """Keeps a second run out of a folder; the system lets go when the process ends.

    Args:
        folder: The folder, which is made if it is not there, and goes if the run leaves nothing in it.
        otherwise: What else the user can do than wait.

    Raises:
        ValueError: One is running there, or it is no folder.
        OSError: There is no right to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"{folder} must be a folder, and a file is in its place: {otherwise}") from None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ValueError(f"another run is at work in {folder}: wait for it, or {otherwise}") from None
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()
        os.close(handle)
