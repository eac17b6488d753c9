"""A pilot from its configuration to its results."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from hola_plugins.files.locked_folder import locked
from hola_plugins.files.whole_file import write_text
from hola_plugins.pilot.accuracy import Evaluation, check_tasks
from hola_plugins.pilot.compression import Compressor
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.contexts import Contexts
from hola_plugins.pilot.cross_domain import measure_cross_domain
from hola_plugins.pilot.cross_retrieval import labelled_questions, measure_cross_retrieval
from hola_plugins.pilot.environment import Environment
from hola_plugins.pilot.footprint import Footprints
from hola_plugins.pilot.measurement import Measurement
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.progress import Progress
from hola_plugins.pilot.provenance import current_commit, describe_machine
from hola_plugins.pilot.results import CrossDomain, Provenance, Results
from hola_plugins.pilot.rounds import Rounds
from hola_plugins.pilot.scores import Scores
from hola_plugins.pilot.sections import Domain
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.server_plan import ServerPlan, added_options
from hola_plugins.pilot.stages import Made, StagePlan, plan_stages
from hola_plugins.pilot.state import State, digest, fingerprint
from hola_plugins.pilot.traffic import Traffic

logger = logging.getLogger(__name__)

FILE = "results.json"
"""File in the output folder that receives the results."""

_CROSSED = "crossed-retrieval"
"""Name of the unit that holds retrieval's part of the cross-domain table."""


class Pilot:
    """Measures the stages of one configuration.

    What is finished is kept in the output folder, unit by unit: a run that was stopped, or killed, goes on there, and
    a changed configuration starts those units anew that it touches.

    Args:
        config: The configuration.
        command: Command line, for the provenance.
        config_sha256: Hash of the configuration file.
        progress: Told how far it is.
        fresh: Whether what is finished is forgotten.

    Attributes:
        problems: What failed, one text each; a stage's error is in its results too.
    """

    def __init__(
        self,
        config: PilotConfig,
        command: str,
        config_sha256: str,
        progress: Progress,
        *,
        fresh: bool = False,
    ) -> None:
        self.problems: list[str] = []
        self._config = config
        self._command = command
        self._config_sha256 = config_sha256
        self._progress = progress
        self._fresh = fresh
        self._state = State(config.out / "state")
        self._environment = Environment(config, config.out / "logs")
        self._started = datetime.now(UTC)

    def run(self) -> Results:
        """Measures what is not finished, and gives everything.

        Raises:
            ValueError: Data that cannot be used, or another pilot in the same folder.
            ImportError: A library that is missing; names the extra.
        """
        with locked(self._config.out, "set another 'out'"):
            if self._fresh:
                self._state.clear()
            self._check()
            plans = self._plan()
            with self._environment.fleet() as fleet:
                measurement = self._measurement(fleet)
                measurement.run(plans)
                crossed = self._cross(plans, fleet, measurement.scores)
            results = self._results(plans, measurement, crossed)
            write_results(results, self._config.out)
            return results

    @cached_property
    def _compressed_domains(self) -> list[Domain]:
        """The domains that a model is compressed for."""
        return [one for one in self._config.cross_domain if one.calibration]

    @cached_property
    def _labelled_domains(self) -> list[Domain]:
        """The domains that retrieval is calibrated for."""
        return [one for one in self._config.cross_domain if one.labels]

    @cached_property
    def _contexts(self) -> Contexts:
        return Contexts(self._config, self._state, self._environment.own_versions, self._progress.show)

    @cached_property
    def _compressor(self) -> Compressor:
        python = self._config.compress_python
        if python is None:
            raise ValueError(
                "a model is to be made, and there is no environment to do it: give compress_python"
            )
        folder, environment = self._config.out / "checkpoints", self._environment
        versions = environment.compress_versions
        return Compressor(python, self._config.model, folder, environment.logs, self._state, versions)

    def _check(self) -> None:
        """Refuses what cannot be used before any work."""
        tasks = [*self._config.accuracy, *(one.task for one in self._config.cross_domain if one.task)]
        check_tasks(tasks, self._config.tokenizer)
        for domain in self._labelled_domains:
            labelled_questions(domain)
        if self._compressed_domains and self._config.compress_python is None:
            raise ValueError("'cross_domain' with calibration compresses models: give compress_python")
        self._progress.show("reading prompts and versions")
        self._environment.all_versions, self._contexts  # noqa: B018 - each checks what it reads

    def _plan(self) -> list[StagePlan]:
        """Makes the models that are missing, then plans the stages and says how many steps they are."""
        compressed, intermediate = _given(self._config.lobi.checkpoint), _given(self._config.intermediate)
        if self._config.needs_compression:
            compressed = self._make(
                "compressing", partial(self._compressor.compress, "lobi", self._config.lobi)
            )
        if (draft := self._config.draft_to_make) is not None:
            intermediate = self._make("making a draft of", partial(self._compressor.draft, draft))
        plans = plan_stages(self._config, compressed, intermediate)
        active = sum(plan.server is not None for plan in plans)
        compressed_for = len(self._compressed_domains)
        crossed = (compressed_for + 1 if compressed_for else 0) + bool(self._labelled_domains)
        each = self._contexts.repeats + len(self._config.accuracy)
        self._progress.expect(active * each + crossed)
        return plans

    def _make(self, doing: str, make: Callable[[], Path]) -> Made:
        """Makes a model in the other environment; a failure is kept for the stage that needs it."""
        self._progress.show(f"{doing} {self._config.model}")
        try:
            return Made(str(make()))
        except ProcessError as error:
            logger.warning("%s %s failed: %s", doing, self._config.model, error)
            return Made(error=str(error))

    def _measurement(self, fleet: Fleet) -> Measurement:
        """Puts together what measures the stages."""
        config, contexts, versions = self._config, self._contexts, self._environment.versions
        evaluation = Evaluation.of(config, self._environment.logs)
        return Measurement(
            config=config,
            contexts=contexts,
            rounds=Rounds(Traffic.of(config), contexts, self._state, versions),
            scores=Scores(evaluation, contexts, self._state, versions),
            footprints=Footprints(self._state, versions),
            fleet=fleet,
            progress=self._progress,
        )

    def _cross(self, plans: list[StagePlan], fleet: Fleet, scores: Scores) -> tuple[CrossDomain, ...]:
        """Measures the cross-domain table; a failure leaves its part empty and is a problem."""
        parts = (self._cross_retrieval, partial(self._cross_models, plans[0].server, fleet, scores))
        rows: list[CrossDomain] = []
        for part in parts:
            try:
                rows += part()
            except (ProcessError, ValueError) as error:
                self.problems.append(f"cross-domain: {error}")
        return tuple(rows)

    def _cross_models(
        self, baseline: ServerPlan | None, fleet: Fleet, scores: Scores
    ) -> tuple[CrossDomain, ...]:
        """Measures the part of compressed models."""
        if not self._compressed_domains or baseline is None:
            return ()
        return measure_cross_domain(
            self._compressed_domains,
            self._config.lobi,
            baseline,
            self._compressor,
            fleet,
            scores,
            self._progress,
        )

    def _cross_retrieval(self) -> tuple[CrossDomain, ...]:
        """Measures the part of retrieval, or takes it from an earlier run."""
        domains, documents, adacomp = self._labelled_domains, self._config.documents, self._config.adacomp
        if not domains or documents is None:
            return ()
        files = [(one.name, fingerprint(one.labels)) for one in domains if one.labels]
        key = digest(self._contexts.key("adaptive"), files)
        rows = self._state.get(_CROSSED, key)
        if rows is None:
            show = self._progress.show
            found = measure_cross_retrieval(domains, self._contexts.index, documents.k, adacomp, show)
            rows = [one.model_dump(mode="json") for one in found]
            self._state.put(_CROSSED, key, rows)
        self._progress.step()
        return tuple(CrossDomain.model_validate(one) for one in rows)

    def _results(
        self, plans: list[StagePlan], measurement: Measurement, crossed: tuple[CrossDomain, ...]
    ) -> Results:
        """Puts the results together."""
        stages = tuple(measurement.stage(plan) for plan in plans)
        self.problems += [f"{one.title}: {one.error}" for one in stages if one.status == "failed"]
        self.problems += [f"{one.title}: {error}" for one in stages for error in one.unscored.values()]
        return Results(
            title=self._config.title,
            prompts=self._contexts.count,
            repeats=self._contexts.repeats,
            concurrency=self._config.concurrency,
            stages=stages,
            cross_domain=crossed,
            prices=self._config.prices,
            provenance=self._provenance(),
        )

    def _provenance(self) -> Provenance:
        return Provenance(
            command=self._command,
            started=self._started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=self._environment.all_versions,
            machine=describe_machine(),
            commit=current_commit(),
            config_sha256=self._config_sha256,
            added=added_options(self._config.engine),
        )


def _given(path: Path | None) -> Made:
    """Wraps a model that is ready."""
    return Made(None if path is None else str(path))


def write_results(results: Results, folder: Path) -> Path:
    """Writes the results, whole or not at all; gives the file."""
    path = folder / FILE
    write_text(path, results.model_dump_json(indent=1) + "\n")
    return path
