"""The user's data in two parts: what the search sees, and what the chosen settings are measured on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import Task
from hola_plugins.pilot.workload import DataError, lines, read_prompts, read_queries, read_questions, rows

Part = Literal["search", "held-out"]
PARTS: tuple[Part, ...] = ("search", "held-out")


class Splitter:
    """Splits files of JSON lines by a hash of each line, so that equal files are split equally.

    Rows with labels and rows without are split apart: both parts get their share of either.

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
            DataError: A file that cannot be used or is too small to split, or a task whose questions are not in a
                file; it names the file that the configuration names.
        """
        _check(config)
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
        chosen = sorted(number for group in _groups(source) for number in self._share_of(group, found, part))
        name = hashlib.sha256(str(source).encode()).hexdigest()[:8]
        path = self._folder / f"{source.stem}-{name}-{part}.jsonl"
        text = "".join(found[number] + "\n" for number in chosen)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return path

    def _share_of(self, numbers: list[int], found: Mapping[int, str], part: Part) -> list[int]:
        """Gives a part's share of lines; each part gets one at least."""
        ranked = sorted(numbers, key=lambda one: self._rank(found[one]))
        held = min(max(1, round(len(ranked) * self._share)), len(ranked) - 1)
        return ranked[:held] if part == "held-out" else ranked[held:]

    def _rank(self, line: str) -> str:
        return hashlib.sha256(f"{self._seed} {line}".encode()).hexdigest()


def _check(config: PilotConfig) -> None:
    """Reads what is split, so that a mistake is named by the file and the line that the user wrote."""
    if config.prompts is not None:
        read_prompts(config.prompts)
    if config.documents is not None:
        read_queries(config.documents.queries)
    for task in config.accuracy:
        if task.questions is not None:
            read_questions(task.questions)


def _groups(source: Path) -> list[list[int]]:
    """Gives the line numbers of rows with labels and of rows without; all together where a group has one row.

    Raises:
        DataError: A file with one row.
    """
    groups = defaultdict(list)
    for number, row in rows(source):
        groups[_is_labelled(row)].append(number)
    found = list(groups.values())
    if sum(map(len, found)) < 2:
        raise DataError(f"{source} holds one line: a search and what is held out need at least two")
    return found if min(map(len, found)) > 1 else [list(chain.from_iterable(found))]


def _is_labelled(row: Mapping[str, Any]) -> bool:
    return bool(row.get("relevant") or row.get("answers", "answer" in row))
