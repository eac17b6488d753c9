"""Files that others wrote, read with limits: plain files, of a size that fits memory, UTF-8, no bottomless JSON."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

MIB = 1 << 20

SETTINGS_BYTES = MIB
"""Most bytes of a file of settings."""

WHOLE_BYTES = 256 * MIB
"""Most bytes of what is held whole: a text, a list in JSON, a recipe or report, which name every layer."""

DATA_BYTES = 1024 * MIB
"""Most bytes of a file of JSON lines, or of parquet's rows."""

LINE_BYTES = 16 * MIB
"""Most bytes of one line of JSON lines."""


class InputFileError(ValueError):
    """A file that is not read; the message names it, the limit and the remedy."""


def read_bytes(path: Path, most: int, *, links: bool = True) -> bytes:
    """Reads a file.

    Args:
        path: The file.
        most: Most bytes that it may have.
        links: Whether it may be a link: what a user names may, what lies in a folder of strangers may not.

    Raises:
        InputFileError: No plain file, or a larger one.
        OSError: It cannot be read.
    """
    with _opened(path, most, links=links) as file:
        content = file.read(most + 1)
    _check_size(path, len(content), most)
    return content


def read_end(path: Path, most: int) -> bytes:
    """Reads the last bytes of a file of any size, at most so many; raises as `read_bytes` does."""
    with _opened(path, sys.maxsize) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most)


def read_text(path: Path, most: int, *, links: bool = True) -> str:
    """Reads UTF-8, with or without a mark; raises as `read_bytes` does, and `InputFileError` for other bytes."""
    return _decoded(path, read_bytes(path, most, links=links))


def read_json(path: Path, most: int, *, links: bool = True) -> Any:
    """Reads a JSON file; raises as `read_text` and `parse_json` do."""
    return parse_json(read_text(path, most, links=links))


def parse_json(text: str) -> Any:
    """Parses JSON.

    Raises:
        ValueError: No JSON, or lists and objects nested deeper than Python's parser follows.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists and objects are nested too deeply: a few levels are allowed") from None


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines that are not blank with their numbers, from 1 on; one line is in memory at a time.

    A line ends at a line feed alone: JSON may hold the other characters that Python takes for one.

    Args:
        path: The file, UTF-8 with or without a mark, of at most `DATA_BYTES`; a line has at most `LINE_BYTES`.

    Raises:
        InputFileError: No plain file, a larger one, a longer line, or bytes that are no UTF-8.
        OSError: It cannot be read.
    """
    with _opened(path, DATA_BYTES) as file:
        number = 0
        while line := file.readline(LINE_BYTES + 1):
            number += 1
            if len(line) > LINE_BYTES:
                raise InputFileError(
                    f"{path}, line {number} has more than {LINE_BYTES // MIB} MiB: end each record with a line break"
                )
            text = _decoded(f"{path}, line {number}", line).removesuffix("\n")
            if text.strip():
                yield number, text


@contextmanager
def _opened(path: Path, most: int, *, links: bool = True) -> Iterator[BufferedReader]:
    """Opens a plain file; a pipe or device, which need not end, is refused without waiting for it."""
    if "\0" in str(path):
        raise InputFileError(f"a path cannot hold a zero byte, got {str(path)!r}")
    descriptor = _descriptor(path, links)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise InputFileError(f"{path} must be a plain file, and is a folder, pipe or device")
    with os.fdopen(descriptor, "rb") as file:
        _check_size(path, found.st_size, most)
        yield file


def _descriptor(path: Path, links: bool) -> int:
    """Opens a file without waiting for another end."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags if links else flags | os.O_NOFOLLOW)
    except OSError as error:
        if links or error.errno != errno.ELOOP:
            raise
        raise InputFileError(
            f"{path} must be a plain file, and is a link: put the file in its place"
        ) from None


def _check_size(path: Path, size: int, most: int) -> None:
    if size > most:
        raise InputFileError(
            f"{path} has more than {most // MIB} MiB, which is the most that is read: split it"
        )


def _decoded(where: Path | str, content: bytes) -> str:
    """Decodes UTF-8 without its mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputFileError(
            f"{where} is no UTF-8 at byte {error.start + 1}: save the file as UTF-8"
        ) from None
