"""The configuration file: YAML whose mistakes are named by key and line."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from hola_plugins.files.input_file import SETTINGS_BYTES, InputFileError, read_text

Config = TypeVar("Config", bound=BaseModel)

KeyPath = tuple[str | int, ...]
"""Keys and numbers that lead to a value."""

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
        found = [_explain(one, lines, model) for one in error.errors()]
        raise ConfigError("\n".join(f"{path.name}, {one}" for one in found)) from None


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
                    f"{name}, line {line}: {_dotted(below)!r} stands in line {lines[below]} already"
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


def _explain(error: Any, lines: dict[KeyPath, int], model: type[BaseModel]) -> str:
    """Turns one pydantic error into a line with place, key, value and remedy."""
    place: KeyPath = error["loc"]
    known = place
    while known not in lines:
        known = known[:-1]
    where, key = f"line {lines[known]}", _dotted(place)
    if error["type"] == "extra_forbidden":
        names = list(_model_at(model, place[:-1]).model_fields)
        near = difflib.get_close_matches(str(place[-1]), names, n=1, cutoff=0.0)[0]
        return (
            f"{where}: unknown key {key!r}; did you mean {near!r}? Allowed here: {', '.join(sorted(names))}"
        )
    if error["type"] == "missing":
        return f"{where}: {key!r} is missing"
    shown = repr(error["input"])
    value = (
        f" = {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '...'}" if place and known == place else ""
    )
    return (
        f"{where}: {key!r}{value}: {error['msg'].removeprefix('Value error, ')}"
        if key
        else f"{where}: {error['msg']}"
    )


def _dotted(place: KeyPath) -> str:
    """Writes a place as a.b[0].c."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _model_at(model: type[BaseModel], place: KeyPath) -> type[BaseModel]:
    """Finds the section at a place."""
    for part in place:
        if isinstance(part, str):
            model = _section(model.model_fields[part].annotation)
    return model


def _section(annotation: Any) -> type[BaseModel]:
    """Finds the section that a field holds: itself, one of many, or one that may be missing."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = [one for one in get_args(annotation) if one not in (type(None), ...)]
    if isinstance(annotation, UnionType) or inner:
        return _section(inner[0])
    raise TypeError(f"{annotation!r} holds no section")
