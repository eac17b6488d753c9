"""One run at a time in a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path, otherwise: str) -> Iterator[None]:
    """Keeps a second run out of a folder; the system lets go when the process ends.

    Args:
        folder: The folder, which is made if it is not there.
        otherwise: What else the user can do than wait.

    Raises:
        ValueError: One is running there.
        OSError: It is no folder, or there is no right to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another run is at work in {folder}: wait for it, or {otherwise}") from None
        yield
    finally:
        os.close(handle)
