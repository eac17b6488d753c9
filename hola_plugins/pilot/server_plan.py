"""What a server serves and how: a model, HSD or not, and the arguments that follow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hola_plugins.doctor.host import DOOR, SERVER_MODULE
from hola_plugins.pilot.named_files import engine_files, hsd_files
from hola_plugins.pilot.state import digest, fingerprint

SERVED_NAME = "pilot"
"""Name under which every server serves its model."""

_DEFAULTS: Mapping[str, Any] = {"enable-prefix-caching": False}
"""Without the cache a repeat does not profit from the one before; `engine` may say otherwise."""

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
        """Names what its answers follow from: arguments, variables, and the files that it is given to read."""
        read = [*engine_files({"model": self.model, **self.engine}), *hsd_files(self.hsd)]
        return digest(self.arguments, self.environment, [fingerprint(path) for path in read])

    def command(self, python: Path, port: int) -> list[str]:
        """Writes the command line."""
        words = [str(python), "-m", SERVER_MODULE, "--host", "127.0.0.1", "--port", str(port)]
        words += ["--served-model-name", SERVED_NAME]
        for name, value in self.arguments.items():
            words += _option(name, value)
        return words


def added_options(engine: Mapping[str, Any]) -> tuple[str, ...]:
    """Gives the options that measuring adds, where further arguments say nothing of them."""
    added = (item for item in _DEFAULTS.items() if item[0] not in engine)
    return tuple(word for name, value in added for word in _option(name, value))


def _option(name: str, value: Any) -> list[str]:
    """Writes one argument as vLLM reads it."""
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if value is None:
        return []
    return [f"--{name}", json.dumps(value) if isinstance(value, dict | list) else str(value)]
