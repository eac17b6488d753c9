"""The tasks that come with lm-eval, by name, without loading it."""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hola_plugins.pilot.workload import DataError

_NAME = re.compile(rb"""^["']?task["']?[ \t]*:[ \t]*["']?([^\s"']+)["']?[ \t]*(?:#.*)?\r?$""", re.MULTILINE)
"""The line of a task's file that names it; what names a list of tasks there is a group."""


def definition(task: str) -> Path:
    """Finds lm-eval's own definition of a task.

    Raises:
        DataError: There is none; names the nearest task.
    """
    files = _files()
    if task not in files:
        near = difflib.get_close_matches(task, files, n=1, cutoff=0.0)
        meant = f"; did you mean {near[0]!r}?" if near else ";"
        raise DataError(
            f"lm-eval has no task {task!r}{meant} lm-eval ls subtasks lists all; of a group name the tasks one by one"
        )
    return files[task]


@cache
def _files() -> dict[str, Path]:
    """Gives the file of every task."""
    spec = find_spec("lm_eval")
    places = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    found: dict[str, Path] = {}
    for path in sorted(path for place in places for path in Path(place, "tasks").rglob("*.yaml")):
        name = _NAME.search(path.read_bytes())
        if name:
            found.setdefault(name[1].decode(errors="replace"), path)
    return found
