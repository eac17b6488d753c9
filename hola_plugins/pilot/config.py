"""The pilot's configuration: one frozen model, a range on every field."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from hola_plugins.pilot.engine_arguments import EngineArgument
from hola_plugins.pilot.results import Prices
from hola_plugins.pilot.sections import (
    HSD,
    AdaComp,
    Documents,
    Domain,
    Draft,
    File,
    LoBi,
    Place,
    Settings,
    Task,
    placed,
)

StageName = Literal["baseline", "hsd", "adacomp", "lobi", "all"]
STAGES: tuple[StageName, ...] = ("baseline", "hsd", "adacomp", "lobi", "all")
"""The stages in the order of adoption."""

MOST_REPEATS = 100
"""More repeats cannot be given."""

_LEAST_REPEATS = 3
"""Fewer repeats do not tell a method from the machine."""

_MOST_REPEATS = 12
"""More repeats make the report little sharper; more prompts do."""

_MOST_RESTARTS = 4
"""The same where every repeat starts the servers anew; three would find half as many gains."""


def _python(path: Path, info: ValidationInfo) -> Path:
    found = placed(path, info)
    if not os.access(found, os.X_OK) or found.is_dir():
        raise ValueError(f"must be the Python of an environment, and there is none at {found}")
    return found


def _model(name: str, info: ValidationInfo) -> str:
    found = placed(Path(name), info)
    if found.is_dir():
        return str(found)
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ValueError(f"must be a folder with a model or a hub id (owner/name), and {found} is no folder")
    return name


Python = Annotated[Path, AfterValidator(_python)]
"""The Python of an environment."""

Model = Annotated[str, AfterValidator(_model)]
"""A folder with a model, or a hub id."""


class PilotConfig(Settings):
    """What is measured and how; relative paths start at the configuration's folder."""

    model: Model
    """The model to serve: a folder, or a hub id."""

    title: str = Field(default="HOLA pilot", min_length=1)
    """Headline of the report."""

    out: Annotated[Path, AfterValidator(placed)] = Field(default=Path("pilot"), validate_default=True)
    """Folder that receives the report, logs, checkpoints and everything that is finished."""

    stages: tuple[StageName, ...] = STAGES
    """Stages to run; each adds to the ones before it."""

    prompts: File | None = None
    """JSON lines with prompt, and id and category where you like; null sends the documents' queries alone."""

    repeats: int | None = Field(default=None, ge=1, le=MOST_REPEATS)
    """Interleaved repeats, over which prompts and queries are dealt; null is 3 to 12 (4 with `one_at_a_time`), as many as
    leave each twice `concurrency` of them."""

    concurrency: int = Field(default=4, ge=1, le=1024)
    """Requests in flight at once."""

    max_tokens: int = Field(default=128, ge=1, le=1 << 17)
    """Most tokens of an answer; it is greedy."""

    chat: bool = False
    """Send chat messages, for a model with a chat template, instead of plain text."""

    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Type of the weights in vLLM; compressed layers keep theirs, and few of vLLM's kernels for them run in float32."""

    engine: dict[EngineArgument, Any] = Field(default_factory=dict)
    """Further arguments of vLLM's server, by their names without dashes in front; none that is a secret."""

    environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables of vLLM's server, HF_TOKEN among them; nothing that is written holds their values."""

    one_at_a_time: bool = False
    """Run one server at a time and restart it every repeat, where memory does not hold all (a GPU)."""

    start_timeout_s: float = Field(default=900.0, gt=0.0)
    """Seconds that a server may take to start."""

    request_timeout_s: float = Field(default=600.0, gt=0.0)
    """Seconds after which a request counts as failed."""

    serve_python: Python | None = None
    """Python of the environment with vLLM; null is the one that runs this command."""

    compress_python: Python | None = None
    """Python of the environment with llmcompressor; null leaves the stage `lobi` out, unless a checkpoint is ready."""

    hsd: HSD = HSD()
    documents: Documents | None = None
    adacomp: AdaComp = AdaComp()
    lobi: LoBi = LoBi()

    intermediate: Place | None = None
    """A small model with the target's tokenizer, the level that the stage `all` adds to HSD."""

    draft: Draft | None = None
    """How that model is made of the target by `hola draft`, where `intermediate` names none."""

    accuracy: tuple[Task, ...] = ()
    """Questions that every stage answers, untimed."""

    cross_domain: tuple[Domain, ...] = Field(default=(), max_length=8)
    """Domains to compress or calibrate on and to measure on, each with each; none, or two and more of a kind."""

    prices: Prices = Prices()

    @property
    def needs_compression(self) -> bool:
        """Whether a model is to be compressed for the stages."""
        return "lobi" in self.stages and self.lobi.checkpoint is None and self.compress_python is not None

    @property
    def draft_to_make(self) -> Draft | None:
        """How an intermediate model is to be made for the stages; None where none is."""
        return self.draft if "all" in self.stages and self.compress_python is not None else None

    @property
    def tokenizer(self) -> str:
        """Folder or hub id of the tokenizer: the model's, unless vLLM is given another."""
        return str(self.engine.get("tokenizer") or self.model)

    def repeats_over(self, count: int) -> int:
        """Gives the repeats that so many prompts and queries are dealt to."""
        most = _MOST_RESTARTS if self.one_at_a_time else _MOST_REPEATS
        fitting = min(most, count // (2 * self.concurrency))
        return self.repeats or min(count, max(_LEAST_REPEATS, fitting))

    @field_validator("stages")
    @classmethod
    def _in_order(cls, stages: tuple[StageName, ...]) -> tuple[StageName, ...]:
        if "baseline" not in stages or len(set(stages)) != len(stages):
            raise ValueError(
                "must name each stage once, and the baseline, with which the others are compared"
            )
        return tuple(name for name in STAGES if name in stages)

    @field_validator("cross_domain")
    @classmethod
    def _crosses(cls, domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
        if len(domains) == 1 or len({one.name for one in domains}) != len(domains):
            raise ValueError("must name at least two domains, each by another name")
        for key in ("calibration", "labels"):
            if sum(getattr(one, key) is not None for one in domains) == 1:
                raise ValueError(f"needs {key} in a second domain too, to measure one on the other")
        return domains

    @field_validator("accuracy")
    @classmethod
    def _named_apart(cls, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        names = [one.task for one in tasks]
        if len(set(names)) != len(names):
            raise ValueError(f"must name each task once, got {', '.join(names)}")
        return tasks

    @model_validator(mode="after")
    def _one_intermediate(self) -> PilotConfig:
        if self.intermediate and self.draft:
            raise ValueError("takes intermediate (a model that is ready) or draft (to make one), got both")
        return self

    @model_validator(mode="after")
    def _quantised_layers_run(self) -> PilotConfig:
        from hola_plugins.lobi.target_device import detect_device, runs_in_float32

        quantises = self.needs_compression or any(one.calibration for one in self.cross_domain)
        if self.dtype != "float32" or not quantises:
            return self
        device = self.lobi.device or detect_device()
        if not runs_in_float32(device):
            raise ValueError(
                f"has dtype 'float32', in which vLLM does not run layers that are quantised for {device} on this "
                "machine: give auto, bfloat16 or float16, or leave lobi out of the stages"
            )
        return self

    @model_validator(mode="after")
    def _labels_ask_documents(self) -> PilotConfig:
        if self.documents is None and any(one.labels for one in self.cross_domain):
            raise ValueError("has labels in cross_domain, and no documents that they could ask")
        return self

    @model_validator(mode="after")
    def _sends_something(self) -> PilotConfig:
        if self.prompts is None and self.documents is None:
            raise ValueError("needs prompts, or documents with queries: there is nothing to send")
        return self
