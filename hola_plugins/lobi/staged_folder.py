"""A folder that appears whole or not at all: filled beside its place, moved there at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hola_plugins.lobi.config import LoBiError

_MARK = "config.json"
"""A folder without this file is no checkpoint and is never replaced."""


def check_place(target: Path, *, replace: bool) -> None:
    """Refuses a place that is taken.

    Args:
        target: Where the folder is to be.
        replace: Whether a checkpoint there may be replaced.

    Raises:
        LoBiError: If it is taken.
    """
    if target.exists() and not target.is_dir():
        raise LoBiError(f"{target} is a file: give a folder")
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not (target / _MARK).is_file():
        raise LoBiError(f"{target} holds something else than a checkpoint: give another folder")
    if not replace:
        raise LoBiError(f"{target} is not empty: give another folder, or replace what is there with --force")


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Gives an empty folder beside the target, which takes its place when the block ends without an error.

    What a killed run left there is removed by the next run of the same target.

    Raises:
        LoBiError: If another run is filling the same folder.
    """
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.unfinished")
    with _locked(staging):
        try:
            yield staging
            _take_place(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _locked(staging: Path) -> Iterator[None]:
    """Makes the folder empty and keeps other runs out of it; the system lets go when the process ends."""
    try:
        staging.mkdir(exist_ok=True)
        handle = os.open(staging, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except (FileExistsError, NotADirectoryError):
        raise LoBiError(f"{staging} must be a folder, and is a file or a link: remove it") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise LoBiError(f"another run is filling {staging}: wait for it, or give another folder") from None
    try:
        for left in staging.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield
    finally:
        os.close(handle)


def _take_place(staging: Path, target: Path) -> None:
    """Moves the folder to the target; what was there goes once it has."""
    with suppress(OSError):
        target.rmdir()
    if not target.exists():
        staging.rename(target)
        return
    old = target.with_name(f".{target.name}.replaced")
    target.rename(old)
    staging.rename(target)
    shutil.rmtree(old, ignore_errors=True)
