"""Answers scored by EleutherAI's lm-eval against a running server, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from hola_plugins.adacomp.words import contains_words
from hola_plugins.pilot import lm_eval_run
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.lm_eval_task import check_data, write_task
from hola_plugins.pilot.process import LoggedProcess, ProcessError
from hola_plugins.pilot.results import Accuracy
from hola_plugins.pilot.sections import Task
from hola_plugins.pilot.server import Server
from hola_plugins.pilot.server_plan import SERVED_NAME
from hola_plugins.pilot.workload import DataError

Ask = Callable[[str], str]
"""Turns an own question into the text that is sent."""

_TOKENIZER = ("tokenizer*", "vocab.*", "*.model")
"""What the files of a tokenizer are called; one is enough."""

_VARIABLES = {
    "LD_PRELOAD": "",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How answers are asked for and scored.

    Attributes:
        folder: Where task files and lm-eval's own results go.
        logs: Folder that receives the logs.
        tokenizer: Folder or hub id of the tokenizer.
        concurrency: Requests in flight at once.
        chat: Whether the model's chat template is applied.
    """

    folder: Path
    logs: Path
    tokenizer: str
    concurrency: int
    chat: bool

    @classmethod
    def of(cls, config: PilotConfig, logs: Path) -> Self:
        """Asks as a configuration says, in its output folder."""
        return cls(config.out / "lm_eval", logs, config.tokenizer, config.concurrency, config.chat)

    def run(self, name: str, task: Task, server: Server, ask: Ask) -> Accuracy:
        """Asks a task's questions and scores the answers.

        Args:
            name: Name of this evaluation, for files.
            task: The task.
            server: Who answers.
            ask: Turns an own question into the text that is sent.

        Raises:
            ProcessError: lm-eval failed, for instance because a request got no answer: nothing is scored then.
        """
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        lm_eval_name = write_task(task, folder, ask)
        results = folder / "results.json"
        job = self._job(lm_eval_name, task, server, results)
        job.write(folder / "job.json")
        command = [sys.executable, "-m", lm_eval_run.__name__, str(folder / "job.json")]
        log = self.logs / f"{name}.log"
        with LoggedProcess(f"lm-eval, task {task.task},", command, log, _variables()) as process:
            process.finish()
        if not results.is_file():
            raise process.failed(f"left no results in {folder}")
        found = json.loads(results.read_text(encoding="utf-8"))
        return read_accuracy(task, found["results"], found["samples"])

    def _job(self, name: str, task: Task, server: Server, results: Path) -> lm_eval_run.Job:
        """Describes a task to lm-eval's process."""
        model = {
            "model": SERVED_NAME,
            "base_url": f"{server.url}/completions",
            "tokenizer_backend": "huggingface",
            "tokenizer": self.tokenizer,
            "num_concurrent": self.concurrency,
            "max_retries": 1,
            "max_length": server.longest(),
        }
        return lm_eval_run.Job(
            task=name,
            folder=str(results.parent),
            with_defaults=name == task.task,
            model=model,
            limit=task.limit if task.questions is None else None,
            chat=self.chat,
            results=str(results),
        )


def check_tasks(tasks: Sequence[Task], tokenizer: str) -> None:
    """Checks that tasks can be asked and scored.

    Args:
        tasks: The tasks; without one there is nothing to check.
        tokenizer: Folder or hub id of the tokenizer, of which a folder is looked into.

    Raises:
        ImportError: lm-eval is missing.
        DataError: A task that lm-eval does not have, data that cannot be used, or a folder without a tokenizer.
    """
    if tasks and find_spec("lm_eval") is None:
        raise ImportError("'lm-eval' is not installed. Install it with: pip install 'hola-plugins[pilot]'")
    for task in tasks:
        check_data(task)
    folder = Path(tokenizer)
    if tasks and folder.is_dir() and not any(any(folder.glob(one)) for one in _TOKENIZER):
        raise DataError(
            f"{folder} holds no tokenizer ({', '.join(_TOKENIZER)}), which the questions of accuracy need: put the "
            "model's there, or name its folder in engine as tokenizer"
        )


def _variables() -> dict[str, str]:
    """Gives lm-eval's variables; a proxy, which the hub may need, does not stand between it and the server."""
    own = [one for one in map(os.environ.get, ("no_proxy", "NO_PROXY")) if one]
    past = "*" if "*" in own else ",".join(dict.fromkeys([*own, "127.0.0.1", "localhost"]))
    return {**_VARIABLES, "no_proxy": past, "NO_PROXY": past}


def read_accuracy(task: Task, results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> Accuracy:
    """Reads the score of a task.

    Args:
        task: The task.
        results: lm-eval's metrics of it, by "metric,filter".
        samples: lm-eval's record of each question, by filter.

    Raises:
        ProcessError: There is no such metric.
    """
    metric, _, chosen = _choose(task, results).partition(",")
    kept = [one for one in samples if one.get("filter", chosen) == chosen]
    kept.sort(key=lambda one: one["doc_id"])
    if task.questions is not None and task.match == "contains":
        return _containing(task, kept)
    stderr = results.get(f"{metric}_stderr,{chosen}")
    return Accuracy(
        task=task.task,
        metric=metric if chosen == "none" else f"{metric} ({chosen})",
        value=results[f"{metric},{chosen}"],
        stderr=stderr if isinstance(stderr, float) else None,
        questions=len(kept),
        right=_right([one.get(metric) for one in kept]),
    )


def _choose(task: Task, results: Mapping[str, Any]) -> str:
    """Chooses the metric: the one that is asked for, else lm-eval's first."""
    metrics = [name for name in results if "," in name and "_stderr," not in name]
    wanted = task.metric or (metrics[0] if metrics else "")
    if wanted not in metrics:
        raise ProcessError(
            f"task {task.task} has no metric {wanted!r}; it has {', '.join(metrics) or 'none'}"
        )
    return wanted


def _right(scores: Sequence[Any]) -> tuple[bool, ...]:
    """Gives which questions are right; empty where one has no score, or one between right and wrong."""
    return tuple(one == 1 for one in scores) if all(one in (0, 1) for one in scores) else ()


def _containing(task: Task, samples: Sequence[Mapping[str, Any]]) -> Accuracy:
    """Scores whether answers contain what is expected."""
    right = tuple(contains_words(one["resps"][0][0], one["target"]) for one in samples)
    value = sum(right) / len(right)
    stderr = (value * (1 - value) / (len(right) - 1)) ** 0.5 if len(right) > 1 else None
    return Accuracy(
        task=task.task, metric="contains", value=value, stderr=stderr, questions=len(right), right=right
    )
