"""Scores of tasks: measured once for each server and each way to retrieve, and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hola_plugins.pilot.accuracy import Evaluation
from hola_plugins.pilot.contexts import Contexts
from hola_plugins.pilot.results import Accuracy
from hola_plugins.pilot.sections import Task
from hola_plugins.pilot.server import Server
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.stages import Depth
from hola_plugins.pilot.state import State, digest, fingerprint


@dataclass(frozen=True, slots=True)
class Scores:
    """Measures scores. Stages that send the same to the same server share them.

    Attributes:
        evaluation: How answers are asked for and scored.
        contexts: What is sent for an own question.
        state: What is finished.
        versions: Packages of vLLM's environment.
    """

    evaluation: Evaluation
    contexts: Contexts
    state: State
    versions: Mapping[str, str]

    def get(self, plan: ServerPlan, depth: Depth, task: Task) -> Accuracy | None:
        """Gives a score that is finished."""
        key = self._key(plan, depth, task)
        found = self.state.get(self._name(task, key), key)
        return None if found is None else Accuracy.model_validate(found)

    def measure(self, server: Server, depth: Depth, task: Task) -> Accuracy:
        """Gives a score, measured where it is not finished.

        Raises:
            ProcessError: A question got no answer, or lm-eval failed; nothing is kept then.
        """
        found = self.get(server.plan, depth, task)
        if found is None:
            key = self._key(server.plan, depth, task)
            answered = self.evaluation.run(self._name(task, key), task, server, self.contexts.ask(depth))
            server.check_running()
            found = answered.model_copy(update={"retrieves": bool(self._passages(depth, task))})
            self.state.put(self._name(task, key), key, found.model_dump(mode="json"))
        return found

    def _name(self, task: Task, key: str) -> str:
        """Names a score by what it follows from, so that equal servers share it."""
        return f"score-{task.task}-{key}"

    def _key(self, plan: ServerPlan, depth: Depth, task: Task) -> str:
        """Names what a score follows from."""
        return digest(
            plan.key(),
            task.model_dump(mode="json"),
            [fingerprint(one) for one in task.files],
            self._passages(depth, task),
            self.evaluation.chat,
            self.versions,
        )

    def _passages(self, depth: Depth, task: Task) -> str:
        """Names the passages that a task's questions are sent with; empty where they are sent without."""
        return self.contexts.key(depth) if task.questions else ""
