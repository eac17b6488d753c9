"""Calibration text of a user: a text file, JSON lines or parquet."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hola_plugins.files.input_file import (
    DATA_BYTES,
    WHOLE_BYTES,
    InputFileError,
    numbered_lines,
    parse_json,
    read_bytes,
)
from hola_plugins.lobi.config import LoBiError

Document = str | list[dict[str, str]]
"""Text, or the messages of a chat, each with role and content."""

RECORDS = (
    "a 'text', a 'prompt' with or without its 'response', 'completion' or 'answer', a 'question' with its 'answer', "
    "or 'messages' of 'role' and 'content'"
)
_EXCHANGES = (
    ("prompt", "response"),
    ("prompt", "completion"),
    ("prompt", "answer"),
    ("question", "answer"),
)
_BATCH = 64
"""Rows of parquet in memory at a time."""

_PIECE = 2000
"""Characters after which a text is cut at the next blank line, so that one long text does not fill all rows."""


def read_documents(path: Path) -> list[Document]:
    """Reads a calibration file; long texts come in pieces.

    Args:
        path: ``.jsonl`` or ``.json`` (one record a line, or one list), ``.parquet`` (one record a row), anything
            else as UTF-8 text. A record holds ``text``, ``prompt`` with or without ``response``,
            ``completion`` or ``answer``, ``question`` with ``answer``, or ``messages``.

    Raises:
        LoBiError: If the file is empty, binary, or holds something else; the message names the line.
        OSError: If it cannot be read.
        ImportError: If parquet's library is missing.
    """
    records = records_of(path)
    if records is None:
        found: list[Document] = [read_text(path)]
    else:
        found = [_document(record, where) for where, record in records]
    documents = [part for document in found for part in _parts(document)]
    if not documents:
        raise LoBiError(f"{path} is empty: calibration data is text of the kind that the model will see")
    return documents


def pieces(text: str) -> Iterator[str]:
    """Cuts a text at blank lines into pieces of about 2,000 characters."""
    piece = ""
    for paragraph in text.split("\n\n"):
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
        if len(piece) >= _PIECE:
            yield piece
            piece = ""
    if piece.strip():
        yield piece


def _parts(document: Document) -> Iterable[Document]:
    """Gives the pieces of a text; a chat stays whole."""
    return pieces(document) if isinstance(document, str) else [document]


def read_text(path: Path) -> str:
    """Reads UTF-8, with or without a mark; a byte that is none becomes a replacement sign."""
    try:
        content = read_bytes(path, WHOLE_BYTES)
    except InputFileError as error:
        raise LoBiError(str(error)) from None
    if b"\0" in content[:8192]:
        raise LoBiError(f"{path} is binary: give text, JSON lines or .parquet")
    return content.decode("utf-8-sig", errors="replace")


def records_of(path: Path) -> Iterator[tuple[str, Any]] | None:
    """Yields the records of JSON lines, of a list in JSON or of parquet, with where they stand; None of a text file."""
    if path.suffix.lower() in {".jsonl", ".ndjson", ".json"}:
        return _json_records(path)
    return _parquet_records(path) if path.suffix.lower() == ".parquet" else None


def _json_records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields the records with where they stand."""
    if path.suffix.lower() == ".json" and (content := read_text(path)).lstrip().startswith("["):
        records = _parsed(content, str(path))
        yield from ((f"{path}, record {number}", record) for number, record in enumerate(records, 1))
        return
    try:
        for number, line in numbered_lines(path):
            where = f"{path}, line {number}"
            yield where, _parsed(line, where)
    except InputFileError as error:
        raise LoBiError(str(error)) from None


def _parsed(text: str, where: str) -> Any:
    """Parses JSON."""
    try:
        return parse_json(text)
    except ValueError as error:
        raise LoBiError(f"{where} is no JSON: {error}") from None


def _parquet_records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yields the rows with where they stand."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise ImportError("parquet files need pyarrow. Install it with: pip install pyarrow") from error
    size, numbers = 0, itertools.count(1)
    try:
        for batch in parquet.ParquetFile(path).iter_batches(_BATCH):
            for row in batch.to_pylist():
                size += len(json.dumps(row, default=str))
                if size > DATA_BYTES:
                    raise LoBiError(
                        f"{path} holds more than {DATA_BYTES >> 20} MiB, the most that is read: split it"
                    )
                yield f"{path}, row {next(numbers)}", row
    except (ArrowException, OSError) as error:
        raise LoBiError(f"{path} is no parquet file: {error}") from None


def _document(record: Any, where: str) -> Document:
    """Reads one record."""
    if not isinstance(record, dict):
        raise LoBiError(f"{where} must be an object with {RECORDS}, got {type(record).__name__}")
    if isinstance(record.get("text"), str):
        return str(record["text"])
    for asked, said in _EXCHANGES:
        if isinstance(record.get(asked), str) and isinstance(record.get(said), str):
            return [
                {"role": "user", "content": record[asked]},
                {"role": "assistant", "content": record[said]},
            ]
    if chat := _chat(record, where):
        return chat
    if isinstance(record.get("prompt"), str):
        return str(record["prompt"])
    raise LoBiError(f"{where} must hold {RECORDS}; it has {', '.join(map(repr, record)) or 'nothing'}")


def _chat(record: dict[str, Any], where: str) -> list[dict[str, str]]:
    """Gives the messages of a record; none where they cannot be read and a prompt is beside them."""
    try:
        return messages_of(record.get("messages"), where)
    except LoBiError:
        if isinstance(record.get("prompt"), str):
            return []
        raise


def messages_of(messages: Any, where: str) -> list[dict[str, str]]:
    """Gives role and content of each message of a chat; none where it is none.

    Raises:
        LoBiError: If a message has no role, or something else than text; the message names it.
    """
    if not isinstance(messages, list):
        return []
    return [_message(one, f"{where}: message {number}") for number, one in enumerate(messages, 1)]


def _message(message: Any, where: str) -> dict[str, str]:
    """Reads one message, whose content is text or a list of parts of text."""
    given = message if isinstance(message, dict) else {}
    role, content = given.get("role"), given.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [str(part["text"]) for part in parts if _is_text(part)]
    if isinstance(role, str) and texts and len(texts) == len(parts):
        return {"role": role, "content": "\n".join(texts)}
    raise LoBiError(f"{where} has no role, or no text content (tool calls, images): leave it out")


def _is_text(part: Any) -> bool:
    """Tells whether a part of a message is text."""
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
