"""Reads the data files of the benchmarks: JSON lines, by the package's own reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hola_plugins.files.input_file import numbered_lines, parse_json


def read_json_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yields the objects of a file; blank lines are none."""
    yield from (parse_json(line) for _, line in numbered_lines(file))
