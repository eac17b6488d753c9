"""Lo-Bi in the environment of llmcompressor: `hola compress`, once for every model, text and setting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hola_plugins.pilot.process import LoggedProcess
from hola_plugins.pilot.sections import LoBi
from hola_plugins.pilot.state import State, digest, fingerprint

_VARIABLES = {"LD_PRELOAD": ""}
"""What is preloaded for vLLM is not for llmcompressor."""


class Compressor:
    """Makes compressed checkpoints, and keeps them.

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
        out = self._folder / name
        key = self._key(settings)
        if self._state.get(f"compress-{name}", key) is None or not out.is_dir():
            log = self._logs / f"compress-{name}.log"
            with LoggedProcess("hola compress", self._command(settings, out), log, _VARIABLES) as process:
                process.finish()
            self._state.put(f"compress-{name}", key, str(out))
        return out

    def _key(self, settings: LoBi) -> str:
        """Names what a checkpoint follows from."""
        files = [one for one in (Path(self._model), settings.calibration) if one is not None and one.exists()]
        return digest(
            self._model, settings.model_dump(mode="json"), [fingerprint(one) for one in files], self._versions
        )

    def _command(self, settings: LoBi, out: Path) -> list[str]:
        """Writes the command line."""
        words = [str(self._python), "-m", "hola_plugins.cli", "compress", self._model, "--force"]
        options = {
            "budget": settings.budget,
            "out": out,
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
        for name, value in options.items():
            words += [] if value is None else [f"--{name}", str(value)]
        return words
