"""The audit trail: one JSON line a query."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np


class AuditTrail:
    """Appends records to a file, each whole, from any number of threads.

    Args:
        path: The file; made if missing, as is its folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, record: Mapping[str, Any]) -> None:
        """Appends one record, with the time in UTC before it; what JSON has no word for is written as its text.

        Raises:
            OSError: The file cannot be written; an audited query must not go unrecorded.
        """
        stamped = {"time": datetime.now(UTC).isoformat(), **record}
        line = json.dumps(stamped, ensure_ascii=False, default=_plain)
        with self._lock, self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n")


def _plain(value: object) -> object:
    """Gives numpy's numbers and arrays as Python's, and anything else as its text."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
