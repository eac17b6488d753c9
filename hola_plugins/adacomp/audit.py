"""The audit trail: one JSON line a query."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


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
        """Appends one record, with the time in UTC before it.

        Raises:
            OSError: The file cannot be written; an audited query must not go unrecorded.
        """
        line = json.dumps({"time": datetime.now(UTC).isoformat(), **record}, ensure_ascii=False)
        with self._lock, self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{line}\n")
