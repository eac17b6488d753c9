"""Passages as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from hola_plugins.adacomp.manifest import StoreError
from hola_plugins.adacomp.passage import Passage

DEPTH = 50
"""Most levels of lists and mappings in the metadata of a passage: what copies it goes down level by level."""


def write_passages(file: BinaryIO, passages: Iterable[Passage]) -> None:
    """Writes one passage a line.

    Raises:
        StoreError: Metadata that would come back as something else: only text, numbers, true, false, null,
            lists and mappings with text keys, up to `DEPTH` levels, do not.
    """
    for passage in passages:
        metadata = dict(passage.metadata)
        if not _is_shallow(metadata):
            raise StoreError(
                f"the metadata of passage {passage.id!r} has lists and mappings in more than {DEPTH} levels: "
                "flatten it before adding it"
            )
        line = _as_json({"id": passage.id, "text": passage.text, "metadata": metadata})
        if line is None or json.loads(line)["metadata"] != metadata:
            raise StoreError(
                f"the metadata of passage {passage.id!r} cannot be saved as JSON: {metadata!r}; "
                "make dates and other objects text, and tuples lists, before adding it"
            )
        file.write(line.encode("ascii") + b"\n")


def read_passages(file: BinaryIO, path: Path) -> tuple[Passage, ...]:
    """Reads what `write_passages` wrote.

    Raises:
        StoreError: A line that is no passage; names it.
    """
    passages = []
    for number, line in enumerate(file, 1):
        passage = _parsed(line)
        if passage is None:
            raise StoreError(f"{path} is damaged: line {number} is no passage")
        passages.append(passage)
    return tuple(passages)


def _parsed(line: bytes) -> Passage | None:
    """Reads one line; None for what is no passage."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    types = {"id": str, "text": str, "metadata": dict}
    if not isinstance(row, dict) or row.keys() != types.keys():
        return None
    if not all(isinstance(row[name], kind) for name, kind in types.items()):
        return None
    if not _is_shallow(row["metadata"]):
        return None
    return Passage(row["id"], row["text"], row["metadata"])


def _is_shallow(value: object, levels: int = DEPTH) -> bool:
    """Tells whether lists, tuples and mappings lie in at most so many levels."""
    if not isinstance(value, dict | list | tuple):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(part, levels - 1) for part in parts)


def _as_json(row: dict[str, Any]) -> str | None:
    """Gives the line; None for what JSON cannot hold."""
    try:
        return json.dumps(row, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
