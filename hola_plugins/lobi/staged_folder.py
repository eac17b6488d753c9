"""A folder that appears whole or not at all: filled beside its place, moved there at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.stock_recipe import RECIPE_FILE

ADAPTER = "adapter"
"""The folder of a checkpoint that may receive the adapter of its recovery."""

_MARK = "config.json"
"""A folder without this file is no checkpoint and is never replaced."""

_CLOSED = {stat.S_IFREG: 0o600, stat.S_IFDIR: 0o700}
"""Rights by kind of what a library made for its user alone."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""Rights of all but the user."""

_TEMPLATES = "additional_chat_templates"
"""The folder in which a tokenizer of several chat templates is saved."""


def check_place(target: Path, *, replace: bool) -> None:
    """Refuses a place that is taken.

    Args:
        target: Where the folder is to be.
        replace: Whether a checkpoint there may be replaced; with a folder in it that no run made, it may not.

    Raises:
        LoBiError: If it is taken, or is a folder that another cannot take the place of.
    """
    if not target.is_dir():
        if target.exists():
            raise LoBiError(f"{target} is a file: give a folder")
        return
    if target.is_mount() or Path.cwd().is_relative_to(target.resolve()):
        raise LoBiError(
            f"{target} is a mount or holds the working folder, and cannot be replaced as a whole: give a folder in "
            f"it, such as {target / 'small'}"
        )
    if not any(target.iterdir()):
        return
    if not (target / _MARK).is_file():
        raise LoBiError(f"{target} holds something else than a checkpoint: give another folder")
    if not replace:
        raise LoBiError(f"{target} is not empty: give another folder, or replace what is there with --force")
    if (found := _foreign_folder(target)) is not None:
        raise LoBiError(
            f"{target} holds the folder {found}, which would be lost: move it, or give another folder"
        )


def staging_of(target: Path) -> Path:
    """Gives the folder in which what goes to a target is made."""
    place = target.resolve()
    return place.parent / f".{place.name}.unfinished"


@contextmanager
def staged_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Gives an empty folder beside the target, which takes its place when the block ends without an error.

    What a library in it made for its user alone, as safetensors does, gets the rights of a new file there; the folder
    itself gets those of the one that it replaces, and is closed to others from the start where that one is. What a
    killed run left there is removed by the next run of the same target. Where the block has ended and the place cannot
    be taken, the folder stays.

    Args:
        target: Where the folder is to be.
        replace: Whether a checkpoint that is there at the end may be replaced.

    Raises:
        LoBiError: If another run is filling the same folder, or the place is taken at the end.
        OSError: If the folder cannot be moved there.
    """
    target, staging = target.resolve(), staging_of(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(staging):
        _close_like(target, staging)
        try:
            yield staging
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        _finish(staging, target, replace=replace)


@contextmanager
def _locked(staging: Path) -> Iterator[None]:
    """Makes the folder empty and keeps other runs out of it; the system lets go when the process ends."""
    try:
        staging.mkdir(exist_ok=True)
        handle = os.open(staging, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except (FileExistsError, NotADirectoryError):
        raise LoBiError(f"{staging} must be a folder, and is a file or a link: remove it") from None
    try:
        _lock(handle, staging)
        for left in staging.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield
    finally:
        os.close(handle)


def _lock(handle: int, staging: Path) -> None:
    """Locks the open folder, which a run that ended meanwhile may have moved to its place."""
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.lstat(staging)):
            return
    raise LoBiError(f"another run is filling {staging}: wait for it, or give another folder")


def _close_like(target: Path, staging: Path) -> None:
    """Closes the folder to others where the target is closed to them, if the system changes rights."""
    if target.exists() and not target.stat().st_mode & _OTHERS:
        with suppress(OSError):
            staging.chmod(stat.S_IMODE(staging.stat().st_mode) & ~_OTHERS)


def _foreign_folder(target: Path) -> Path | None:
    """Finds a folder in a checkpoint that no run made."""
    made = {Path(_TEMPLATES), Path(ADAPTER)} if (target / RECIPE_FILE).is_file() else {Path(_TEMPLATES)}
    folders = (path.relative_to(target) for path in target.rglob("*") if path.is_dir())
    return next((folder for folder in folders if folder not in made), None)


def _finish(staging: Path, target: Path, *, replace: bool) -> None:
    """Moves the folder to the target, or says where it is."""
    stays = f"what was made is complete in {staging}: move it before another run clears that folder"
    try:
        _open_closed(staging)
        check_place(target, replace=replace)
        _take_place(staging, target)
    except LoBiError as error:
        raise LoBiError(f"{error}; {stays}") from error
    except OSError as error:
        raise OSError(f"{target} was not written: {error}; {stays}") from error


def _open_closed(folder: Path) -> None:
    """Gives files and folders in a folder that a library closed to others the rights of new ones, where they take them."""
    usual = _rights_of_new(folder)
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        kind, rights = stat.S_IFMT(mode), mode & 0o777
        if rights == _CLOSED.get(kind) != usual[kind] & 0o777:
            with suppress(OSError):
                path.chmod(usual[kind])


def _rights_of_new(folder: Path) -> dict[int, int]:
    """Gives the rights that a folder's system gives to a new file and a new folder in it."""
    probe = Path(folder, ".rights")
    probe.mkdir()
    (probe / "file").touch()
    modes = [path.stat().st_mode for path in (probe, probe / "file")]
    shutil.rmtree(probe)
    return {stat.S_IFMT(mode): stat.S_IMODE(mode) for mode in modes}


def _take_place(staging: Path, target: Path) -> None:
    """Moves the folder to the target, which keeps its rights if the system changes rights."""
    rights = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
    _move(staging, target)
    if rights is not None:
        with suppress(OSError):
            target.chmod(rights)


def _move(staging: Path, target: Path) -> None:
    """Moves the folder to the target; what was there goes once it has, and comes back where it cannot."""
    with suppress(OSError):
        target.rmdir()
    if not target.exists():
        staging.rename(target)
        return
    aside = Path(mkdtemp(prefix=f".{target.name}.replaced-", dir=target.parent))
    old = aside / target.name
    try:
        target.rename(old)
        staging.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)
