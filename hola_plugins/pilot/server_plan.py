"""What a server serves and how: a model, HSD or not, and the arguments that follow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hola_plugins.doctor.host import DOOR, SERVER_MODULE
from hola_plugins.pilot.state import digest, fingerprint

SERVED_NAME = "pilot"
"""Name under which every server serves its model."""

_DEFAULTS: Mapping[str, Any] = {"enable-prefix-caching": False}
"""Without the cache a repeat does not profit from the one before; `engine` may say otherwise."""

_FOLDERS = (
    "model",
    "tokenizer",
    "hf-config-path",
    "generation-config",
    "lora-modules",
    "additional-config",
)
"""Arguments whose folders answers follow from; those of others are written to, or only bound what may be read."""

_CPU_VARIABLES = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""Servers that wait side by side leave the cores alone."""


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """One server.

    Attributes:
        name: Short name, for files and messages.
        model: Folder or hub id.
        dtype: Type of the weights.
        draft_tokens: Longest draft of HSD; None serves without speculation.
        hsd: Settings of HSD.
        engine: Further arguments by name.
        variables: Environment variables that the user gives.
    """

    name: str
    model: str
    dtype: str
    draft_tokens: int | None = None
    hsd: Mapping[str, Any] = field(default_factory=dict)
    engine: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def served(self) -> dict[str, Any]:
        """Arguments of vLLM as they are used without measuring, but those of the network."""
        drafting: dict[str, Any] = {}
        if self.draft_tokens is not None:
            proposer = {"method": "custom_class", "model": DOOR, "num_speculative_tokens": self.draft_tokens}
            drafting["speculative-config"] = proposer
            if self.hsd:
                drafting["additional-config"] = {"hola": {"hsd": dict(self.hsd)}}
        return {"model": self.model, "dtype": self.dtype, **self.engine, **drafting}

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of vLLM as they are measured, but those of the network."""
        return {**_DEFAULTS, **self.served}

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the server."""
        return {**_CPU_VARIABLES, **self.variables}

    def key(self) -> str:
        """Names what its answers follow from: arguments, variables, and the files that the arguments name."""
        arguments = self.arguments
        files = [
            fingerprint(path)
            for name, value in arguments.items()
            for path in _paths(value)
            if path.is_file() or name in _FOLDERS
        ]
        return digest(arguments, self.environment, files)

    def command(self, python: Path, port: int) -> list[str]:
        """Writes the command line."""
        words = [str(python), "-m", SERVER_MODULE, "--host", "127.0.0.1", "--port", str(port)]
        words += ["--served-model-name", SERVED_NAME]
        for name, value in self.arguments.items():
            words += _option(name, value)
        return words


def _option(name: str, value: Any) -> list[str]:
    """Writes one argument as vLLM reads it."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if value is None:
        return []
    return [f"--{name}", json.dumps(value) if isinstance(value, dict | list) else str(value)]


def _paths(settings: Any) -> Iterator[Path]:
    """Yields the files and folders that nested settings name, as a text or behind the name of an adapter (name=path)."""
    if isinstance(settings, str):
        yield from (Path(one) for one in (settings, settings.partition("=")[2]) if one and _is_there(one))
    elif isinstance(settings, Mapping | list):
        for one in settings.values() if isinstance(settings, Mapping) else settings:
            yield from _paths(one)


def _is_there(text: str) -> bool:
    """Tells whether a text is the path of a file or folder; one that no system can hold is none."""
    try:
        return Path(text).is_file() or Path(text).is_dir()
    except OSError:
        return False
