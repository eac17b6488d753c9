"""The stages measured: rounds of requests in turn, then the questions; what fails is noted and the others go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.contexts import Contexts
from hola_plugins.pilot.footprint import Footprints
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.progress import Progress
from hola_plugins.pilot.results import Stage
from hola_plugins.pilot.rounds import Rounds
from hola_plugins.pilot.scores import Scores
from hola_plugins.pilot.sections import Task
from hola_plugins.pilot.server import Fleet, Server
from hola_plugins.pilot.stages import StagePlan, stage_settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measures stages.

    Attributes:
        config: The configuration.
        contexts: What is sent.
        rounds: Measures rounds.
        scores: Measures scores.
        footprints: Keeps the servers' memory.
        fleet: Runs the servers.
        progress: Told what is done.
        failed: By stage, why it failed.
        unscored: By stage, why a task has no score, by its name.
    """

    config: PilotConfig
    contexts: Contexts
    rounds: Rounds
    scores: Scores
    footprints: Footprints
    fleet: Fleet
    progress: Progress
    failed: dict[str, str] = field(default_factory=dict)
    unscored: dict[str, dict[str, str]] = field(default_factory=dict)

    def run(self, plans: Sequence[StagePlan]) -> None:
        """Measures what is not finished; repeat by repeat another stage comes first."""
        active = [plan for plan in plans if plan.server is not None]
        self._start_servers(active)
        for repeat in range(self.contexts.repeats):
            first = repeat % len(active)
            for plan in active[first:] + active[:first]:
                self._attempt(plan, partial(self._measure_round, plan, repeat))
        for plan in active:
            for task in self.config.accuracy:
                self._attempt(plan, partial(self._measure_score, plan, task), task)

    def stage(self, plan: StagePlan) -> Stage:
        """Gives what was found of a stage; a failed one has no figures."""
        common = Stage(
            name=plan.name,
            title=plan.title,
            adds=plan.adds,
            status="failed",
            error=self.failed.get(plan.name),
            model=plan.server.model if plan.server else "",
            settings=stage_settings(plan, self.config),
        )
        if plan.server is None:
            status = "failed" if plan.failed else "skipped"
            return common.model_copy(update={"status": status, "error": plan.left_out})
        if common.error is not None:
            return common
        rounds = [self.rounds.get(plan, repeat) for repeat in range(self.contexts.repeats)]
        finished = [one for one in rounds if one is not None]
        if len(finished) < len(rounds):
            return common.model_copy(update={"error": _what_is_missing(len(finished), len(rounds))})
        scores = [self.scores.get(plan.server, plan.depth, task) for task in self.config.accuracy]
        failures = [failure for one in finished for failure in one.failures]
        figures = {
            "status": "done",
            "requests": tuple(request for one in finished for request in one.requests),
            "failed_requests": len(failures),
            "first_failure": next(iter(failures), None),
            "memory": self.footprints.get(plan.server),
            "accuracy": tuple(one for one in scores if one is not None),
            "unscored": self.unscored.get(plan.name, {}),
            "retrieval": self.contexts.retrieval(plan.depth),
            "seconds": sum(one.seconds for one in finished),
        }
        return common.model_copy(update=figures)

    def _start_servers(self, active: Sequence[StagePlan]) -> None:
        """Starts the servers that something is left to do for."""
        servers = {plan.server.name: plan.server for plan in active if plan.server and self._is_open(plan)}
        self.progress.show(
            f"starting servers: {', '.join(servers)}" if servers else "nothing is left to measure"
        )
        self.fleet.start(list(servers.values()))

    def _is_open(self, plan: StagePlan) -> bool:
        """Tells whether something of a stage is not finished."""
        if plan.server is None:
            return False
        rounds = (self.rounds.get(plan, repeat) for repeat in range(self.contexts.repeats))
        scores = (self.scores.get(plan.server, plan.depth, task) for task in self.config.accuracy)
        return any(one is None for one in rounds) or any(one is None for one in scores)

    def _attempt(self, plan: StagePlan, measure: Callable[[], None], task: Task | None = None) -> None:
        """Does one unit of a stage, unless the stage failed before; a score that fails leaves the stage its rounds."""
        try:
            if plan.name not in self.failed:
                measure()
        except (ProcessError, ValueError) as error:
            self._note_failure(plan, task, str(error))
        finally:
            self.progress.step()

    def _note_failure(self, plan: StagePlan, task: Task | None, error: str) -> None:
        """Notes why a round, or the score of a task, failed."""
        if task is None:
            logger.warning("stage %s failed: %s", plan.name, error)
            self.failed[plan.name] = error
        else:
            logger.warning("stage %s has no score of %s: %s", plan.name, task.task, error)
            self.unscored.setdefault(plan.name, {})[task.task] = error

    def _measure_round(self, plan: StagePlan, repeat: int) -> None:
        """Measures a round."""
        doing = f"{plan.title}, repeat {repeat + 1} of {self.contexts.repeats}"
        if self.rounds.get(plan, repeat) is None:
            server = self._server(plan, doing)
            self.rounds.measure(
                plan,
                repeat,
                server,
                lambda done, total: self.progress.show(f"{doing}: {done} of {total} answered"),
            )
            self.footprints.note(server)

    def _measure_score(self, plan: StagePlan, task: Task) -> None:
        """Measures a score."""
        if plan.server and self.scores.get(plan.server, plan.depth, task) is None:
            server = self._server(plan, doing := f"{plan.title}, {task.task}")
            self.progress.show(f"{doing}: asking")
            self.scores.measure(server, plan.depth, task)
            self.footprints.note(server)

    def _server(self, plan: StagePlan, doing: str) -> Server:
        """Gives the stage's server, ready to answer."""
        if plan.server is None:
            raise ValueError(f"stage {plan.name} is left out: {plan.left_out}")
        self.progress.show(f"{doing}: waiting for the server")
        return self.fleet.server(plan.server)


def _what_is_missing(finished: int, repeats: int) -> str:
    """Says why a stage that was measured lacks rounds."""
    return (
        f"{finished} of {repeats} rounds are kept: a file that the settings name changed while it was measured; "
        "leave all of them as they are and run the same command again"
    )
