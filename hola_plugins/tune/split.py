"""The user's data in two parts: what the search sees, and what the chosen settings are measured on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import Task
from hola_plugins.pilot.workload import DataError, lines, rows

Part = Literal["search", "held-out"]
PARTS: tuple[Part, ...] = ("search", "held-out")


class Splitter:
    """Splits files of JSON lines by a hash of each line, so that equal files are split equally.

    Args:
        folder: Where the parts go.
        share: Share of each file that is held out.
        seed: Seed of the hash.
    """

    def __init__(self, folder: Path, share: float, seed: int) -> None:
        self._folder = folder
        self._share = share
        self._seed = seed

    def split(self, config: PilotConfig) -> dict[Part, PilotConfig]:
        """Gives a pilot's configuration for each part, over its part of prompts, queries and questions.

        Raises:
            DataError: A file too small to split, or a task whose questions are not in a file.
        """
        return {part: self._config(config, part) for part in PARTS}

    def _config(self, config: PilotConfig, part: Part) -> PilotConfig:
        """Gives the configuration of one part."""
        changed: dict[str, object] = {"out": self._folder.parent}
        if config.prompts is not None:
            changed["prompts"] = self._part(config.prompts, part)
        if config.documents is not None:
            queries = self._part(config.documents.queries, part)
            changed["documents"] = config.documents.model_copy(update={"queries": queries})
        changed["accuracy"] = tuple(self._task(task, part) for task in config.accuracy)
        return config.model_copy(update=changed)

    def _task(self, task: Task, part: Part) -> Task:
        """Gives a task over its part of the questions."""
        name = "questions" if task.questions is not None else "data"
        source = getattr(task, name)
        if source is None:
            raise DataError(
                f"task {task.task} has no file to hold questions out of: give 'questions' or 'data' in the "
                "pilot's configuration"
            )
        return task.model_copy(update={name: self._part(source, part)})

    def _part(self, source: Path, part: Part) -> Path:
        """Writes one part of a file; ids that follow from line numbers stay apart within it."""
        found = dict(lines(source))
        numbers = sorted((number for number, _ in rows(source)), key=lambda one: self._rank(found[one]))
        if len(numbers) < 2:
            raise DataError(f"{source} holds one line: a search and what is held out need at least two")
        held = min(max(1, round(len(numbers) * self._share)), len(numbers) - 1)
        chosen = sorted(numbers[:held] if part == "held-out" else numbers[held:])
        name = hashlib.sha256(str(source).encode()).hexdigest()[:8]
        path = self._folder / f"{source.stem}-{name}-{part}.jsonl"
        text = "".join(found[number] + "\n" for number in chosen)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return path

    def _rank(self, line: str) -> str:
        return hashlib.sha256(f"{self._seed} {line}".encode()).hexdigest()
