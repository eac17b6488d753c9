"""The files and folders that a server is given by name, and that its answers follow from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hola_plugins.hsd.config import ConfigError, load_config

_FOLDERS = (
    "model",
    "tokenizer",
    "hf-config-path",
    "generation-config",
    "lora-modules",
    "default-mm-loras",
)
"""Arguments whose folders answers follow from; those of others are written to, or only bound what may be read."""

_FILES = ("chat-template", "tool-parser-plugin", "reasoning-parser-plugin")
"""Arguments that name a file; with `_FOLDERS` those in which a word without a separator is a path."""

_WORDS = ("auto", "vllm")
"""Values of generation-config that are no folders."""


def engine_files(arguments: Mapping[str, Any]) -> Iterator[Path]:
    """Yields the files that arguments of vLLM name, and the folders that it reads a model or an adapter from.

    Args:
        arguments: By name, without dashes in front; nested settings may be JSON texts.
    """
    for name, value in arguments.items():
        for text in _texts(value):
            path = Path(text)
            if _may_be_path(name, text) and (_is(path.is_file) or (name in _FOLDERS and _is(path.is_dir))):
                yield path


def hsd_files(settings: Mapping[str, Any]) -> Iterator[Path]:
    """Yields the files and folders that HSD reads, also those that its `config_file` names; none that it writes."""
    for text in (settings.get("config_file"), *_read_by_hsd(settings)):
        if text and _is(Path(text).exists):
            yield Path(text)


def _read_by_hsd(settings: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Gives corpus and intermediate level; nothing of settings that HSD refuses, with which no server starts."""
    try:
        config = load_config(settings)
    except ConfigError:
        return ()
    return config.store.corpus, config.intermediate.model


def _texts(settings: Any) -> Iterator[str]:
    """Yields the texts of nested settings; of an adapter (name=path) also what stands behind its name."""
    if isinstance(settings, str):
        nested = _parsed(settings)
        yield from (settings, settings.partition("=")[2]) if nested is None else _texts(nested)
    elif isinstance(settings, Mapping | list):
        for one in settings.values() if isinstance(settings, Mapping) else settings:
            yield from _texts(one)


def _parsed(text: str) -> Any:
    """Reads settings that are written as JSON; None for another text, such as a template in place of its file."""
    try:
        return json.loads(text) if text.startswith(("{", "[")) else None
    except (ValueError, RecursionError):
        return None


def _may_be_path(name: str, text: str) -> bool:
    """Tells a path from a word; one without a separator is a path where the argument takes nothing else."""
    return os.sep in text or (name in (*_FOLDERS, *_FILES) and bool(text) and text not in _WORDS)


def _is(kind: Callable[[], bool]) -> bool:
    """Asks the file system; a text that it cannot hold as a path is none."""
    try:
        return kind()
    except OSError:
        return False
