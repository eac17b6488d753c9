"""What is finished: one small file a unit of work, so that a pilot which was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from hola_plugins.files.whole_file import write_text


def digest(*parts: Any) -> str:
    """Names what a unit follows from: 16 hexadecimal digits of plain values."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprint(path: Path) -> str:
    """Names the content of a file or folder by names, sizes and times, without reading it."""
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return digest(
        [(str(one.relative_to(path.parent)), (s := one.stat()).st_size, s.st_mtime_ns) for one in files]
    )


class State:
    """Finished units by name, each with the key that it was made with.

    A unit counts only under the key that is asked for, so that a changed configuration starts those anew that it
    touches, and no other. A kill at any moment leaves every file whole.

    Args:
        folder: Where the files lie; made when the first unit is finished.

    Attributes:
        folder: The same.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str, key: str) -> Any | None:
        """Gives what a finished unit found; None where it is not finished under this key."""
        try:
            record = json.loads(self._path(name).read_bytes())
            return record["value"] if record["key"] == key else None
        except (FileNotFoundError, ValueError, LookupError, TypeError, RecursionError):
            return None

    def put(self, name: str, key: str, value: Any) -> None:
        """Keeps what a unit found; it takes plain JSON values."""
        write_text(self._path(name), json.dumps({"key": key, "value": value}) + "\n")

    def clear(self) -> None:
        """Forgets everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
