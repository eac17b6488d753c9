"""What an index was made of and with, so that later runs need not be told again."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hola_plugins.files.input_file import SETTINGS_BYTES, read_bytes
from hola_plugins.files.whole_file import write_text
from hola_plugins.settings_error import in_words

FILE = "corpus.json"


class CorpusSettings(BaseModel):
    """Settings of an index, kept in it as `corpus.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    embedding: str | None = None
    """Path or hub id of a sentence-transformers model; null is the MiniLM of the extra `minilm`."""

    chunk: int = Field(default=800, ge=100, le=100_000)
    """Most characters of a passage."""


def default_index(folder: Path) -> Path:
    """Gives where the index of a folder lies unless told otherwise."""
    return folder / ".hola"


def index_at(path: Path) -> Path:
    """Finds the index: at the path itself, or where `hola index` puts that of a folder.

    Raises:
        ValueError: Neither.
    """
    for candidate in (path, default_index(path)):
        if (candidate / FILE).is_file():
            return candidate
    raise ValueError(f"no index at {path}: make one with `hola index {path}`, or give the folder of --index")


def updated_settings(index: Path, embedding: str | None, chunk: int | None) -> CorpusSettings:
    """Gives the settings of an index with what was asked for; None leaves a setting as it is.

    Raises:
        ValueError: A setting out of range, or a damaged file.
    """
    asked = {"embedding": embedding, "chunk": chunk}
    kept = (read_settings(index) or CorpusSettings()).model_dump()
    settings = kept | {name: one for name, one in asked.items() if one is not None}
    try:
        return CorpusSettings.model_validate(settings)
    except ValidationError as error:
        raise ValueError(in_words(error, settings, CorpusSettings)) from None


def read_settings(index: Path) -> CorpusSettings | None:
    """Reads the settings of an index; None where there is none yet.

    Raises:
        ValueError: A damaged file.
    """
    path = index / FILE
    try:
        return CorpusSettings.model_validate_json(read_bytes(path, SETTINGS_BYTES, links=False))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ValueError(
            f"{path} is damaged: {error.errors()[0]['msg']}; index again into another folder"
        ) from error


def write_settings(index: Path, settings: CorpusSettings) -> None:
    """Keeps the settings in an index."""
    write_text(index / FILE, settings.model_dump_json(indent=1) + "\n")
