"""Lo-Bi in the environment of llmcompressor: `hola compress` and `hola draft`, once for every text and setting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hola_plugins.pilot.process import LoggedProcess
from hola_plugins.pilot.sections import Draft, LoBi, Settings
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
        return self._make(name, "compress", self._compression(settings), settings, files)

    def draft(self, settings: Draft) -> Path:
        """Gives the folder of a draft of the model, made where it is not there yet.

        Raises:
            ProcessError: It could not be made.
        """
        files = [one for one in (settings.prompts,) if one is not None]
        return self._make("draft", "draft", self._drafting(settings), settings, files)

    def _make(self, name: str, verb: str, words: list[str], settings: Settings, files: list[Path]) -> Path:
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
                *words,
                "--force",
                "--out",
                str(out),
            ]
            with LoggedProcess(f"hola {verb}", command, self._logs / f"{unit}.log", _VARIABLES) as process:
                process.finish()
            self._state.put(unit, key, str(out))
        return out

    def _compression(self, settings: LoBi) -> list[str]:
        """Writes the options of `hola compress`."""
        return [
            self._model,
            *_options(
                {
                    "budget": settings.budget,
                    "calibration": settings.calibration,
                    "device": settings.device,
                    "prune": settings.prune,
                    "quantizer": settings.quantizer,
                    "choices": ",".join(settings.choices) or None,
                    "tune": settings.tune,
                    "samples": settings.samples,
                    "sequence-length": settings.sequence_length,
                    "seed": settings.seed,
                    "cache": self._folder / "scores",
                }
            ),
        ]

    def _drafting(self, settings: Draft) -> list[str]:
        """Writes the options of `hola draft`."""
        return _options(
            {
                "model": self._model,
                "prompts": settings.prompts,
                "size": settings.size,
                "steps": settings.steps,
                "minutes": settings.minutes,
                "most-prompts": settings.most_prompts,
                "seed": settings.seed,
                "cache": self._folder / "answers",
            }
        )


def _options(values: Mapping[str, object]) -> list[str]:
    """Writes options of a command line; those without a value are left out."""
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]
