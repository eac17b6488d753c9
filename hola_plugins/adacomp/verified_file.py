"""Files that reach the disk when written, and are what they were when read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import Any

from hola_plugins.adacomp.manifest import FileEntry, StoreError


def written(path: Path, write: Callable[[BufferedWriter], Any]) -> None:
    """Makes a file with what ``write`` puts into it, and waits until it is on the disk; no link is followed.

    Raises:
        OSError: No room, or no right to write; names the file.
    """
    try:
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        reason = error.strerror or f"{error}; is the disk full?"
        raise OSError(error.errno, f"{path} could not be written: {reason}") from error


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def described(path: Path) -> FileEntry:
    """Gives size and hash of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(bytes=file.tell(), sha256=digest)


@contextmanager
def opened(folder: Path, name: str, entry: FileEntry) -> Iterator[BufferedReader]:
    """Opens a file for reading once it has the size and the hash it should have; no link is followed.

    Raises:
        FileNotFoundError: It is not there.
        StoreError: It is something else than the entry says.
    """
    path = folder / name
    if folder.is_symlink():
        raise StoreError(f"{folder} is a link: a store's files lie in the store")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}; a store's files are plain files") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise StoreError(f"cannot read {path}: no plain file")
    with os.fdopen(descriptor, "rb") as file:
        _check(file, path, entry)
        yield file


def _check(file: BufferedReader, path: Path, entry: FileEntry) -> None:
    """Compares size and hash."""
    size = os.fstat(file.fileno()).st_size
    if size != entry.bytes:
        raise StoreError(f"{path} has {size} bytes, should have {entry.bytes}: restore it or save again")
    if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
        raise StoreError(f"{path} was altered since it was saved: restore it or save again")
    file.seek(0)
