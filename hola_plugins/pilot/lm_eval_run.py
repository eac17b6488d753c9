"""One task of lm-eval against a running server: ``python -m hola_plugins.pilot.lm_eval_run JOB``.

lm-eval's own command reads the thousands of task files that come with it at every start, which takes longer than a
small task. Here they are read only where the task is one of them.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Job:
    """What is scored.

    Attributes:
        task: Name under which lm-eval knows the task.
        folder: Folder with the task's file, where it has one of its own.
        with_defaults: Whether the task is one of lm-eval's, or of a group of them.
        model: Arguments of lm-eval's "local-completions".
        limit: Questions at most; None for all.
        chat: Whether the model's chat template is applied.
        results: File that receives the metrics and the record of each question, as JSON.
    """

    task: str
    folder: str
    with_defaults: bool
    model: dict[str, Any]
    limit: int | None
    chat: bool
    results: str

    def write(self, path: Path) -> None:
        """Writes the job as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads a job that `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def run(job: Job) -> None:
    """Asks and scores the questions of a task, and writes what came of it."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager
    from lm_eval.utils import handle_non_serializable

    found = simple_evaluate(
        model="local-completions",
        model_args=job.model,
        tasks=[job.task],
        limit=job.limit,
        apply_chat_template=job.chat,
        task_manager=TaskManager(include_path=job.folder, include_defaults=job.with_defaults),
    )
    if found is None or job.task not in found["samples"]:
        raise SystemExit(
            f"lm-eval keeps no answers of {job.task}: is it a group? Then name its tasks one by one"
        )
    kept = {"results": found["results"][job.task], "samples": found["samples"][job.task]}
    text = json.dumps(kept, default=handle_non_serializable, ensure_ascii=False)
    Path(job.results).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(Job.read(Path(sys.argv[1])))
