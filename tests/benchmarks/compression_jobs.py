"""What is to be made of a model: stock llmcompressor, mixtures by hand, other tools' plans, Lo-Bi's variants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compression_host import Layers, stock_modifiers
from compression_methods import VARIANTS
from compression_subject import Subject


@dataclass(frozen=True, slots=True)
class _Job:
    """One compressed model to make.

    Attributes:
        method: Name in tables.
        family: Kind of method.
        budget: Percent of the original's bytes; None where it is made for none.
        seed: Seed of the calibration text; None where the text does not matter.
    """

    method: str
    family: str
    budget: float | None
    seed: int | None


@dataclass(frozen=True, slots=True)
class CheckpointJob(_Job):
    """A checkpoint, by a recipe.

    Attributes:
        modifiers: Makes the recipe; takes the file for Lo-Bi's report.
    """

    modifiers: Callable[[Path], list[Any]]


@dataclass(frozen=True, slots=True)
class ModelJob(_Job):
    """A model in memory, by a tool of its own.

    Attributes:
        bytes: What its plan takes in a file.
        make: Makes it.
    """

    bytes: int
    make: Callable[[], Any]


Job = CheckpointJob | ModelJob
"""What can be run."""


def plan_job(
    method: str,
    family: str,
    layers: Layers,
    seed: int | None,
    budget: float | None,
    quantizer: str = "gptq",
    **options: int,
) -> CheckpointJob:
    """Makes the job of a plan for llmcompressor's own modifiers."""
    return CheckpointJob(
        method, family, budget, seed, lambda _: stock_modifiers(quantizer, layers, **options)
    )


def uniform_jobs(subject: Subject, schemes: Sequence[str], seed: int) -> Iterator[CheckpointJob]:
    """Yields one scheme for all layers, to nearest and by GPTQ."""
    for plan in subject.uniform(schemes):
        name, layers = plan.origin.removeprefix("uniform "), subject.layers(plan)
        yield plan_job(f"rtn {name}", "rtn", layers, None, None, "rtn")
        yield plan_job(f"gptq {name}", "gptq", layers, seed, None)


def awq_jobs(subject: Subject, schemes: Sequence[str], seed: int, grid: int) -> Iterator[CheckpointJob]:
    """Yields one scheme for all layers, by AWQ."""
    for plan in subject.uniform(schemes):
        name = plan.origin.removeprefix("uniform ")
        yield plan_job(f"awq {name}", "awq", subject.layers(plan), seed, None, "awq", awq_grid=grid)


def mixture_jobs(
    subject: Subject, schemes: Sequence[str], budgets: Sequence[float], seed: int
) -> Iterator[CheckpointJob]:
    """Yields the mixtures that people write by hand, by GPTQ."""
    for plan in subject.mixtures(schemes, budgets):
        method = f"{plan.origin}, {subject.count(plan)} in 8 bit"
        yield plan_job(method, "mixture", subject.layers(plan), seed, None)


def lobi_jobs(
    subject: Subject, method: str, budgets: Sequence[float], seed: int, cache: Path
) -> Iterator[CheckpointJob]:
    """Yields a variant of Lo-Bi at every budget; scores are kept, so that all but the first solve again."""
    for budget in budgets:
        settings = {
            "target_bytes": subject.ceiling(budget),
            "target_device": subject.device,
            "cache": str(cache),
        }
        recipe = _lobi(settings | {"seed": seed} | VARIANTS[method])
        yield CheckpointJob(method, "lobi", budget, seed, recipe)


def _lobi(settings: dict[str, Any]) -> Callable[[Path], list[Any]]:
    def make(report: Path) -> list[Any]:
        from hola_plugins.llmcompressor import LoBiModifier

        return [LoBiModifier(**settings, report=str(report))]

    return make
