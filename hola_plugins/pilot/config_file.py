"""The configuration file: YAML whose mistakes are named by key and line."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hola_plugins.files.input_file import SETTINGS_BYTES, InputFileError, read_text
from hola_plugins.settings_error import KeyPath, dotted, explain

Config = TypeVar("Config", bound=BaseModel)

_SHOWN = 80
"""Characters of a value that a message repeats."""

_ENTRIES = 10_000
"""Most keys and entries of a configuration, those behind aliases counted wherever they stand."""

_DEPTH = 20
"""Most levels of keys below keys."""


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names key, line, value and what is allowed."""


def read_config(path: Path, model: type[Config], **pythons: Path | None) -> Config:
    """Reads a configuration.

    Args:
        path: The file; relative paths in it start at its folder.
        model: What it holds.
        pythons: serve_python or compress_python of this machine, in place of what the file says.

    Raises:
        ConfigError: No YAML, an unknown key, a value out of range, or a file that is not there; all of them at a time.
        OSError: The file cannot be read.
        ImportError: PyYAML is missing.
    """
    values, lines = _parse(path)
    values |= {name: str(python.absolute()) for name, python in pythons.items() if python is not None}
    try:
        return model.model_validate(values, context={"folder": path.parent.absolute()})
    except ValidationError as error:
        found = explain(error, values, model)
        said = [f"{path.name}, line {_line_of(place, lines)}: {sentence}" for place, sentence in found]
        raise ConfigError("\n".join(said)) from None


def digest_of(path: Path) -> str:
    """Gives the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Reads the values, and the line of each."""
    try:
        import yaml
    except ImportError as error:
        message = "'pyyaml' is not installed. Install it with: pip install 'hola-plugins[pilot]'"
        raise ImportError(message) from error
    lines: dict[KeyPath, int] = {(): 1}
    try:
        text = read_text(path, SETTINGS_BYTES)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            _note_lines(root, (), lines, path.name)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path.name}, line {line}: no YAML: {error.problem}") from None
    except InputFileError as error:
        raise ConfigError(str(error)) from None
    except RecursionError:
        raise ConfigError(f"{path.name} is nested too deeply: {_DEPTH} levels are allowed") from None
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path.name}: no YAML: {error}") from None
    if not isinstance(values, dict):
        shown = repr(values)[:_SHOWN]
        raise ConfigError(
            f"{path.name}, line 1: must hold keys with values, got {shown}; --init writes one to start from"
        )
    return values, lines


def _note_lines(node: Any, place: KeyPath, lines: dict[KeyPath, int], name: str) -> None:
    """Notes the line of every key and entry under a node of PyYAML.

    Raises:
        ConfigError: A key that stands twice, of which YAML would drop the first; too many entries or levels, to
            which a few aliases can grow.
    """
    if len(lines) > _ENTRIES or len(place) > _DEPTH:
        raise ConfigError(
            f"{name}, line {node.start_mark.line + 1}: {_ENTRIES} keys and entries in {_DEPTH} levels are allowed, "
            "and aliases make more of them here: write out what is meant"
        )
    if node.id == "mapping":
        for key, value in node.value:
            below = (*place, str(key.value))
            line = key.start_mark.line + 1
            _check_text(key, name)
            if below in lines:
                raise ConfigError(
                    f"{name}, line {line}: {dotted(below)!r} stands in line {lines[below]} already"
                )
            lines[below] = line
            _note_lines(value, below, lines, name)
    elif node.id == "sequence":
        for number, value in enumerate(node.value):
            lines[(*place, number)] = value.start_mark.line + 1
            _note_lines(value, (*place, number), lines, name)
    else:
        _check_text(node, name)


def _check_text(node: Any, name: str) -> None:
    """Refuses half a character, which an escape can name and no path or message can hold."""
    if node.id == "scalar" and node.value.encode(errors="ignore").decode() != node.value:
        raise ConfigError(f"{name}, line {node.start_mark.line + 1}: {node.value!r} holds half a character")


def _line_of(place: KeyPath, lines: dict[KeyPath, int]) -> int:
    """Gives the line of a place, or of the nearest above it that the file has."""
    while place not in lines:
        place = place[:-1]
    return lines[place]
