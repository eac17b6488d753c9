"""Lo-Bi in the environment of llmcompressor: `hola compress` and `hola draft`, once for every text and setting."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from hola_plugins.pilot.process import LoggedProcess
from hola_plugins.pilot.sections import Draft, LoBi
from hola_plugins.pilot.state import State, digest, fingerprint

_VARIABLES = {"LD_PRELOAD": ""}
"""What is preloaded for vLLM is not for llmcompressor."""


class Compressor:
    """Makes compressed checkpoints and drafts, and keeps them.

    Args:
        python: Python of the environment with llmcompressor.
        model: The model to compress.
        folder: Where checkpoints and scores go.
        logs: Folder that receives the logs.
        state: What is finished.
        versions: Packages of that environment, on which a checkpoint depends.
    """

    def __init__(
        self, python: Path, model: str, folder: Path, logs: Path, state: State, versions: Mapping[str, str]
    ) -> None:
        self._python = python
        self._model = model
        self._folder = folder
        self._logs = logs
        self._state = state
        self._versions = versions

    def compress(self, name: str, settings: LoBi) -> Path:
        """Gives the folder of a compressed checkpoint, made where it is not there yet.

        Args:
            name: Name of the checkpoint.
            settings: How it is compressed.

        Raises:
            ProcessError: The compression failed.
        """
        files = [one for one in (settings.calibration,) if one is not None]
        return self._make(name, "compress", [self._model], "scores", settings, files)

    def draft(self, settings: Draft) -> Path:
        """Gives the folder of a draft of the model, made where it is not there yet.

        Raises:
            ProcessError: It could not be made.
        """
        files = [one for one in (settings.prompts,) if one is not None]
        return self._make("draft", "draft", ["--model", self._model], "answers", settings, files)

    def _make(
        self, name: str, verb: str, model: list[str], cache: str, settings: LoBi | Draft, files: list[Path]
    ) -> Path:
        """Runs a command of the other environment, unless what it makes is there."""
        out = self._folder / name
        read = [one for one in (Path(self._model), *files) if one.exists()]
        key = digest(
            self._model, settings.model_dump(mode="json"), [fingerprint(one) for one in read], self._versions
        )
        unit = f"{verb}-{name}"
        if self._state.get(unit, key) is None or not out.is_dir():
            command = [
                str(self._python),
                "-m",
                "hola_plugins.cli",
                verb,
                *model,
                *options(settings),
                "--cache",
                str(self._folder / cache),
                "--force",
                "--out",
                str(out),
            ]
            with LoggedProcess(f"hola {verb}", command, self._logs / f"{unit}.log", _VARIABLES) as process:
                process.finish()
            self._state.put(unit, key, str(out))
        return out


def options(settings: LoBi | Draft) -> list[str]:
    """Writes a section as options of its command; those without a value are left out."""
    values = settings.model_dump(mode="json", exclude_none=True, exclude={"checkpoint"})
    texts = {
        name: ",".join(value) if isinstance(value, list) else str(value) for name, value in values.items()
    }
    return [word for name, text in texts.items() if text for word in (f"--{name.replace('_', '-')}", text)]


def compress_command(model: str, settings: LoBi) -> str:
    """Writes the `hola compress` command of settings."""
    return shlex.join(["hola", "compress", model, "--out", "small", *options(settings)])
