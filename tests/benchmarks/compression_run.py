"""Runs jobs one by one: compress, measure, note; what fails is noted with its reason and is no result."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from compression_host import compress, size_of
from compression_jobs import CheckpointJob, Job, ModelJob
from compression_results import Results, Row
from compression_subject import Subject
from hola_plugins.lobi.divergence import Quality

FAILURES = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a foreign library raises where it cannot do a model."""


class Clock:
    """Time that is left for starting jobs.

    Args:
        minutes: Minutes from now on; None for no end.
    """

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes
        self.left_out = 0

    def over(self) -> bool:
        """Tells whether no job may start any more."""
        return self._end is not None and time.monotonic() > self._end


class Runner:
    """Runs the jobs of one model and seed.

    Args:
        subject: The model.
        results: Receives the rows; jobs that it has are not run again.
        work: Folder for checkpoints, which are deleted once they are measured.
        clock: Says when to stop.
        float32_products: See `compression_host.compress`.
    """

    def __init__(
        self, subject: Subject, results: Results, work: Path, clock: Clock, *, float32_products: bool
    ) -> None:
        self._subject, self._results, self._work, self._clock = subject, results, work, clock
        self._float32_products = float32_products

    def original(self) -> None:
        """Measures the original."""
        row = self._row("bf16", "bf16", None, None)
        if row.key not in self._results and not self._clock.over():
            quality = self._subject.ruler.original
            self._results.add(
                self._row(
                    "bf16",
                    "bf16",
                    None,
                    None,
                    bytes=self._subject.original_bytes,
                    perplexity=quality.perplexity,
                    kl=0.0,
                )
            )

    def run(self, jobs: Iterable[Job], rows: torch.Tensor, progress: Progress) -> None:
        """Runs what is missing."""
        missing = [job for job in jobs if self._blank(job).key not in self._results]
        task = progress.add_task(self._subject.name, total=len(missing))
        for job in missing:
            if self._clock.over():
                self._clock.left_out += 1
                continue
            budget = "" if job.budget is None else f" at {job.budget:g} %"
            progress.update(task, description=f"{self._subject.name}: {job.method}{budget}, seed {job.seed}")
            self._results.add(self._done(job, rows))
            progress.advance(task)
        progress.remove_task(task)

    def needed(self, method: str, budgets: Iterable[float], seed: int) -> list[float]:
        """Gives the budgets of a method that have no row."""
        keys = {budget: self._row(method, "", budget, seed).key for budget in budgets}
        return [budget for budget, key in keys.items() if key not in self._results]

    def skip(self, method: str, budgets: Iterable[float], seed: int, reason: str) -> None:
        """Notes why a method has no checkpoints."""
        for budget in budgets:
            self._results.add(self._row(method, method, budget, seed, skipped=reason))

    def _done(self, job: Job, rows: torch.Tensor) -> Row:
        """Makes and measures; what fails is noted."""
        try:
            found = self._model(job) if isinstance(job, ModelJob) else self._checkpoint(job, rows)
        except FAILURES as error:
            found = {"skipped": reason_of(error)}
        return self._row(job.method, job.family, job.budget, job.seed, **found)

    def _checkpoint(self, job: CheckpointJob, rows: torch.Tensor) -> dict[str, Any]:
        """Makes a checkpoint, measures what was saved, and deletes it."""
        out, report = self._work / "checkpoint", self._work / "report.json"
        report.unlink(missing_ok=True)
        scored = self._scored()
        try:
            seconds = compress(
                self._subject.folder,
                job.modifiers(report),
                rows,
                out,
                float32_products=self._float32_products,
            )
            quality, size = self._subject.ruler.measure(out), size_of(out)
        finally:
            shutil.rmtree(out, ignore_errors=True)
        return _found(size, quality, seconds) | {"stages": self._facts(report, scored)}

    def _model(self, job: ModelJob) -> dict[str, Any]:
        """Makes a model and measures it as it is."""
        began = time.perf_counter()
        model = job.make()
        seconds = time.perf_counter() - began
        return _found(job.bytes, self._subject.ruler.measure_model(model), seconds)

    def _facts(self, report: Path, scored: int) -> dict[str, Any]:
        """Gives what a reader of the times needs to know; of Lo-Bi also what it reports of its stages."""
        facts: dict[str, Any] = {"float32_products": self._float32_products}
        if report.is_file():
            facts |= _stages(report) | {"scores_cached": self._scored() == scored}
        return facts

    def _scored(self) -> int:
        """Gives how many sets of scores are kept."""
        return sum(1 for _ in self._work.glob("scores/*/*.json"))

    def _blank(self, job: Job) -> Row:
        return self._row(job.method, job.family, job.budget, job.seed)

    def _row(self, method: str, family: str, budget: float | None, seed: int | None, **found: Any) -> Row:
        return Row(self._subject.name, method, family, budget, seed, self._subject.setting, **found)


def reason_of(error: BaseException) -> str:
    """Gives an error as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _found(size: int, quality: Quality, seconds: float) -> dict[str, Any]:
    """Gives what every compressed model is measured by."""
    return {
        "bytes": size,
        "perplexity": quality.perplexity,
        "kl": quality.kl,
        "seconds": round(seconds, 3),
    }


def _stages(report: Path) -> dict[str, Any]:
    """Gives what Lo-Bi reports of its stages."""
    content = json.loads(report.read_text(encoding="utf-8"))
    return {
        "seconds": content["seconds"],
        "plan": content["predicted"].get("origin"),
        "predicted_kl": content["predicted"].get("kl"),
        "cut": content["cut"],
        "recovery": content["recovery"],
        "tuning": content.get("tuning"),
    }
