"""The cross-domain table: compressed with the text of one domain, measured on the questions of each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hola_plugins.pilot.compression import Compressor
from hola_plugins.pilot.progress import Progress
from hola_plugins.pilot.results import Accuracy, CrossDomain
from hola_plugins.pilot.scores import Scores
from hola_plugins.pilot.sections import Domain, LoBi
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.state import digest


def measure_cross_domain(
    domains: Sequence[Domain],
    settings: LoBi,
    baseline: ServerPlan,
    compressor: Compressor,
    fleet: Fleet,
    scores: Scores,
    progress: Progress,
) -> tuple[CrossDomain, ...]:
    """Measures every domain's model on every domain's questions; one step of progress for each model.

    Args:
        domains: The domains; each has calibration text and a task.
        settings: How is compressed; the calibration text is the domain's.
        baseline: The server of the model as it came.
        compressor: Makes the checkpoints.
        fleet: Runs the servers.
        scores: Scores the answers.
        progress: Told what is done.

    Raises:
        ProcessError: A compression, a server or an evaluation failed.
    """
    reference = _scores_of(baseline, domains, fleet, scores, progress)
    rows: list[CrossDomain] = []
    for fitted in domains:
        progress.show(f"compressing for {fitted.name}")
        name = _file_name(fitted.name)
        model = compressor.compress(name, settings.model_copy(update={"calibration": fitted.calibration}))
        plan = ServerPlan(
            name, str(model), baseline.dtype, engine=baseline.engine, variables=baseline.variables
        )
        try:
            found = _scores_of(plan, domains, fleet, scores, progress)
        finally:
            fleet.release(plan)
        rows += [
            _row(fitted, measured, score, known)
            for measured, score, known in zip(domains, found, reference, strict=True)
        ]
    return tuple(rows)


def _file_name(domain: str) -> str:
    """Names the model of a domain for files: by what of its name they take, and by a digest of all of it."""
    letters = re.sub(r"[^A-Za-z0-9]+", "-", domain).strip("-").lower()
    return "-".join(filter(None, ("cross", letters, digest(domain)[:8])))


def _scores_of(
    plan: ServerPlan, domains: Sequence[Domain], fleet: Fleet, scores: Scores, progress: Progress
) -> list[Accuracy]:
    """Scores one server on the questions of all domains; it is not started where all is known."""
    found: list[Accuracy] = []
    for name, task in ((one.name, one.task) for one in domains):
        if task is None:
            raise ValueError(f"the domain {name} has no task to be measured on")
        progress.show(f"{plan.name}: {task.task} of {name}")
        known = scores.get(plan, "fixed", task)
        found.append(known or scores.measure(fleet.server(plan), "fixed", task))
    progress.step()
    return found


def _row(fitted: Domain, measured: Domain, score: Accuracy, reference: Accuracy) -> CrossDomain:
    """Writes a row of the table."""
    return CrossDomain(
        method="lobi",
        fitted_on=fitted.name,
        measured_on=measured.name,
        metric=score.metric,
        value=score.value,
        reference=reference.value,
        stderr=score.stderr,
        questions=score.questions,
    )
