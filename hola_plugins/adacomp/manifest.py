"""The manifest of a stored folder: what is in it, made with what, and the hash of every file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hola_plugins.adacomp.fingerprint import EmbeddingFingerprint
from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.files.input_file import InputFileError, read_bytes

FORMAT: Final = "hola-passages"
VERSION: Final = 1
MANIFEST = "manifest.json"

_LARGEST = 1 << 24
"""Bytes that a manifest may have."""

FileName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,64}\.(npy|jsonl)$")]
"""A plain name: no folder, no dot in front, nothing to climb out with."""


class StoreError(ValueError):
    """A folder that is not read, or not written, as a store; the message says what to do."""


class FileEntry(BaseModel):
    """Size in bytes and SHA-256 of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What `manifest.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["hola-passages"] = FORMAT
    version: Literal[1] = VERSION
    metric: Literal["cosine"] = "cosine"
    count: int = Field(ge=0)
    """Passages."""
    dimension: int = Field(ge=0, le=1 << 20)
    """Length of every vector; 0 in an empty store."""
    index: IndexSettings
    embedding: EmbeddingFingerprint
    data: str = Field(pattern=r"^data-[0-9a-f]{16}$")
    """Folder of the files, beside the manifest."""
    files: dict[FileName, FileEntry]


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest of a folder.

    Raises:
        StoreError: None there, damaged, or of a newer version.
    """
    path = folder / MANIFEST
    try:
        text = read_bytes(path, _LARGEST, links=False)
    except OSError as error:
        raise StoreError(
            f"{folder} is no store: cannot read {MANIFEST} ({error.strerror}); "
            "give the folder that a store was saved to"
        ) from error
    except InputFileError as error:
        raise StoreError(f"{folder} is no store: {error}; restore it or save again") from error
    content = _parsed(path, text)
    version = content.get("version")
    if content.get("format") != FORMAT or not isinstance(version, int):
        raise StoreError(f"{path} is not the manifest of a store: format {content.get('format')!r}")
    if version > VERSION:
        raise StoreError(
            f"{folder} has format version {version}, this hola-plugins reads up to {VERSION}: "
            "upgrade it with pip install -U 'hola-plugins[langchain]', or save the store again"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise StoreError(f"{path} is damaged: {place}: {first['msg']}; restore it or save again") from error


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    """Parses the file as a JSON object."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: no JSON ({error}); restore it or save again") from error
    if not isinstance(content, dict):
        raise StoreError(f"{path} is damaged: no JSON object; restore it or save again")
    return content
