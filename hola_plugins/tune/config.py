"""What is searched and under which limits: one frozen model, a range on every field."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from hola_plugins.pilot.sections import Budget, Cut, File, Settings, placed

Share = Annotated[float, Field(gt=0.0, le=1.0)]
Over = Annotated[float, Field(gt=0.0)]

_SOME = Field(min_length=1)


class Floor(Settings):
    """What a setting must reach."""

    accuracy: Share | None = None
    """Least share of right answers, over every task of the pilot's `accuracy`."""

    recall: Share | None = None
    """Least mean share of a query's relevant passages that are kept."""


class Ceiling(Settings):
    """What a setting must not exceed."""

    latency_s: Over | None = None
    """Most seconds of a request, as a mean."""

    latency_p95_s: Over | None = None
    """Most seconds of 95 % of the requests."""

    memory_gib: Over | None = None
    """Most memory of the server's processes, or of the device, in GiB."""


class RetrievalSpace(Settings):
    """AdaComp's settings to choose from; the fixed k of the pilot's baseline is always one of them."""

    target_recall: Annotated[tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...], _SOME] = (
        0.9,
        0.8,
        0.85,
        0.95,
    )
    """Targets of the calibration; they count where the pilot's file names labels."""

    token_budget: Annotated[tuple[Annotated[int, Field(ge=1)] | None, ...], _SOME] = (
        400,
        100,
        200,
        800,
        None,
    )
    """Most tokens of passages a query; null keeps them whole."""

    trials: int = Field(default=40, ge=1)
    """Most settings that are tried; all, where there are no more than that."""


class WeightSpace(Settings):
    """Lo-Bi's settings to choose from; the model as it comes is always one of them."""

    budget: Annotated[tuple[Budget, ...], _SOME] = ("45%", "60%", "75%")
    """Budgets, as `hola compress --budget` takes them."""

    prune: Annotated[tuple[Cut, ...], _SOME] = ("0",)
    """Shares of the MLP channels to cut, or auto."""

    trials: int = Field(default=6, ge=1)
    """Most compressed models that are made and served."""


class DraftSpace(Settings):
    """HSD's settings to choose from; serving without drafts is always one of them."""

    tau: Annotated[tuple[Literal["auto"] | float, ...], _SOME] = ("auto", 0.5, 1.5, 3.0)
    """Entropies in nats over which the next level is asked."""

    levels: Annotated[tuple[tuple[str, ...], ...], _SOME] = (
        ("request", "store", "transitions"),
        ("request", "store"),
        ("request",),
    )
    """Hierarchies, each from cheap to strong."""

    trials: int = Field(default=8, ge=1)
    """Most settings that are served; a hopeless one is stopped early."""

    @field_validator("tau", "levels")
    @classmethod
    def _hsd_accepts_them(cls, values: tuple[Any, ...], info: Any) -> tuple[Any, ...]:
        from hola_plugins.hsd.config import load_config

        for value in values:
            load_config({info.field_name: value})
        return values


class TuneConfig(Settings):
    """What is searched; relative paths start at the configuration's folder."""

    pilot: File
    """A configuration of `hola pilot`: the model, what is sent and retrieved from, and where it runs."""

    out: Annotated[Path, AfterValidator(placed)] = Field(default=Path("tune"), validate_default=True)
    """Folder that receives the tuned files, logs, checkpoints and every trial."""

    floor: Floor = Floor()
    ceiling: Ceiling = Ceiling()

    minimise: Literal["latency", "memory"] = "latency"
    """What decides between compressed models that keep all limits: a request's seconds, or the checkpoint's size."""

    held_out: float = Field(default=0.3, gt=0.0, lt=1.0)
    """Share of prompts, queries and questions that the search never sees."""

    seed: int = Field(default=0, ge=0)
    """Seed of the split and of the search."""

    retrieval: RetrievalSpace | None = RetrievalSpace()
    """null leaves AdaComp as the pilot's file has it."""

    lobi: WeightSpace | None = WeightSpace()
    """null serves the model as it comes, and so does every setting without `floor.accuracy`."""

    hsd: DraftSpace | None = DraftSpace()
    """null drafts as the pilot's file says."""
