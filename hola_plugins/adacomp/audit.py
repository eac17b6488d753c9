"""The audit trail: one JSON line a query."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np


class AuditTrail:
    """Appends records to a file, each whole on a line of its own, from any number of threads.

    What a full disk let be written of a record stays a line by itself, no JSON; its query ended in the error.
    Where that cannot be seen, since the file may only be appended to, the first record may follow a blank line.

    Args:
        path: The file; made if missing, as is its folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._ends_whole = False
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_ends_whole": False}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one record, with the time in UTC before it; what JSON has no word for is written as its text.

        Raises:
            OSError: The file cannot be written; an audited query must not go unrecorded.
        """
        stamped = {"time": datetime.now(UTC).isoformat(), **record}
        text = json.dumps(stamped, ensure_ascii=False, default=_plain)
        line = f"{text}\n".encode(errors="backslashreplace")
        with self._lock:
            self._append(line)

    def _append(self, line: bytes) -> None:
        """Appends a line; looks at the file's end only if the last record was not written by this trail, whole."""
        known, self._ends_whole = self._ends_whole, False
        with self.path.open("ab") as file:
            cut = not known and self._is_cut(os.fstat(file.fileno()).st_size)
            file.write(b"\n" + line if cut else line)
        self._ends_whole = True

    def _is_cut(self, size: int) -> bool:
        """Tells whether the file, of so many bytes (a pipe has none), may end within a line.

        One that cannot be read may: it is append-only, or was moved away meanwhile.
        """
        if not size:
            return False
        try:
            with self.path.open("rb") as file:
                file.seek(size - 1)
                return file.read(1) != b"\n"
        except OSError:
            return True


def _plain(value: object) -> object:
    """Gives numpy's numbers and arrays as Python's, and anything else as its text."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
