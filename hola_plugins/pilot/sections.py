"""Sections of the pilot's configuration: one frozen model each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)


class Settings(BaseModel):
    """What every section is: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def placed(path: Path, info: ValidationInfo) -> Path:
    """Puts a relative path into the folder of the configuration; links stay, an environment's Python is one."""
    folder = (info.context or {}).get("folder", Path())
    try:
        found = Path(folder) / path.expanduser()
        found.exists()
    except (OSError, RuntimeError) as error:
        raise ValueError(f"must be a path that this system can hold: {error}") from None
    return found


def _file(path: Path, info: ValidationInfo) -> Path:
    found = placed(path, info)
    if not found.is_file():
        raise ValueError(f"must be a file, and there is none at {found}")
    return found


def _place(path: Path, info: ValidationInfo) -> Path:
    found = placed(path, info)
    if not found.exists():
        raise ValueError(f"must be a file or folder, and there is none at {found}")
    return found


def _budget(text: str) -> str:
    from hola_plugins.lobi.budget_text import parse_budget

    parse_budget(text)
    return text


def _cut(text: str) -> str:
    from hola_plugins.lobi.budget_text import parse_share
    from hola_plugins.lobi.config import load_config

    if text != "auto":
        load_config({"prune": parse_share(text)})
    return text


File = Annotated[Path, AfterValidator(_file)]
"""A file that is there."""

Place = Annotated[Path, AfterValidator(_place)]
"""A file or folder that is there."""

Budget = Annotated[str, AfterValidator(_budget)]
"""A budget, as `hola compress --budget` takes it."""

Cut = Annotated[str, AfterValidator(_cut)]
"""A share of the MLP channels to cut, or auto."""


class HSD(Settings):
    """How drafts are made, from the stage `hsd` on."""

    draft_tokens: int = Field(default=8, ge=1, le=64)
    """Longest draft: vLLM's num_speculative_tokens; 7 on a GPU, 8 on a CPU."""

    settings: dict[str, Any] = {}
    """Settings of HSD, as in additional_config["hola"]["hsd"]."""

    @field_validator("settings")
    @classmethod
    def _hsd_accepts_them(cls, settings: dict[str, Any]) -> dict[str, Any]:
        from hola_plugins.hsd.config import load_config

        load_config(settings)
        return settings


class Documents(Settings):
    """What is retrieved from, and the questions that are asked of it."""

    path: Place
    """An index that `hola index` made, or a folder to be indexed."""

    queries: File
    """JSON lines: question, with relevant (ids of passages, or names of files) or answers (words they contain)."""

    include: tuple[str, ...] = ()
    """Only files that fit one of these patterns; empty takes all that can be read."""

    chunk: int = Field(default=800, ge=100, le=100_000)
    """Most characters of a passage, where a folder is indexed."""

    embedding: str | None = None
    """Path or hub id of a sentence-transformers model; null is MiniLM."""

    k: int = Field(default=4, ge=1, le=100)
    """Passages of every query before AdaComp."""

    prompt: str = "{passages}\n\nQuestion: {question}\nAnswer:"
    """What is sent for a query; blank lines at its start go where nothing was retrieved."""

    @field_validator("prompt")
    @classmethod
    def _names_both_parts(cls, prompt: str) -> str:
        if "{question}" not in prompt or "{passages}" not in prompt:
            raise ValueError("must contain {passages} and {question}")
        return prompt


class AdaComp(Settings):
    """How deep is retrieved and what is kept, from the stage `adacomp` on."""

    token_budget: int | None = Field(default=400, ge=1)
    """Most tokens of passages a query, estimated; null keeps them whole."""

    labels: File | None = None
    """Labelled questions to calibrate with, in the form of documents.queries, and none of those."""

    target_recall: float = Field(default=0.9, gt=0.0, lt=1.0)
    """Share of the labelled questions that shall get all their passages."""

    calibration: File | None = None
    """A calibration that `save_calibration` wrote, in place of labels."""

    @model_validator(mode="after")
    def _one_source(self) -> AdaComp:
        if self.labels and self.calibration:
            raise ValueError("takes labels or calibration, got both")
        return self


class LoBi(Settings):
    """How the model is made smaller, for the stage `lobi`; the options of `hola compress`."""

    budget: Budget = "45%"
    """A share of its size (45%), a size (1.2GB), or bits a weight (4.5bit)."""

    calibration: File | None = None
    """Text as the model will see it; null is Python's documentation."""

    device: Literal["cuda", "cpu", "cpu_avx2"] | None = None
    """Where vLLM will run it; null is this machine."""

    prune: Cut = "0"
    """Share of the MLP channels to cut (25%), or auto."""

    quantizer: Literal["gptq", "awq", "rtn"] = "gptq"
    """How weights are rounded."""

    choices: tuple[str, ...] = ()
    """Schemes to choose from; empty: by device."""

    tune: int = Field(default=0, ge=0)
    """Steps of training after the quantisation."""

    samples: int = Field(default=128, ge=8)
    """Most calibration sequences."""

    sequence_length: int = Field(default=512, ge=8)
    """Tokens of each."""

    seed: int = 0
    """Seed of every random number."""

    checkpoint: Place | None = None
    """A checkpoint that is ready, in place of all of the above."""

    @field_validator("choices")
    @classmethod
    def _load_on_the_device(cls, choices: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        from hola_plugins.lobi.config import load_config
        from hola_plugins.lobi.target_device import detect_device

        if choices:
            device = info.data.get("device") or detect_device()
            load_config({"choices": list(choices), "target_device": device})
        return choices


class Draft(Settings):
    """How the intermediate level is made of the model itself, for the stage `all`; the options of `hola draft`."""

    prompts: File | None = None
    """Prompts that the model answers and the draft learns from, best your own; null is Python's documentation."""

    size: str = "25%"
    """Share of the parameters in the model's layers."""

    steps: int = Field(default=2000, ge=0)
    """Most training steps."""

    minutes: float | None = Field(default=None, gt=0.0)
    """Most minutes of training."""

    most_prompts: int = Field(default=2000, ge=24)
    """Most prompts to use."""

    seed: int = 0
    """Seed of every random number."""

    @field_validator("size")
    @classmethod
    def _is_a_share(cls, size: str) -> str:
        from hola_plugins.lobi.budget_text import parse_share

        parse_share(size)
        return size


class Task(Settings):
    """Questions with known answers."""

    task: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.+-]+$")
    """Name of one of lm-eval's tasks; with `questions`, any name."""

    questions: File | None = None
    """Own JSON lines of question and answer; with documents, passages are retrieved for each."""

    match: Literal["exact", "contains"] = "exact"
    """Own questions: whether the answer's first line, trimmed, is the expected text, or contains it; case is ignored."""

    data: File | None = None
    """A local copy of the task's test data; null lets lm-eval load it from the hub."""

    train: File | None = None
    """A local copy of its training data, from which few-shot examples come."""

    fewshot: int | None = Field(default=None, ge=0, le=64)
    """Examples before each question; null is what the task says, 0 with local data and no train."""

    metric: str | None = None
    """Metric and filter as lm-eval names them, such as exact_match,flexible-extract; null is its first."""

    limit: int | None = Field(default=None, ge=1)
    """First so many questions; null asks all."""

    max_tokens: int = Field(default=64, ge=1)
    """Own questions: most tokens of an answer."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The local files that its questions, answers and examples come from."""
        return tuple(one for one in (self.questions, self.data, self.train) if one is not None)

    @model_validator(mode="after")
    def _parts_fit(self) -> Task:
        if self.questions and (self.data or self.train or self.fewshot):
            raise ValueError("own questions take no data, train or fewshot")
        if self.train and not self.data:
            raise ValueError("train needs data: give the local test data too")
        if self.data and self.fewshot and not self.train:
            raise ValueError(
                f"fewshot = {self.fewshot} needs train: examples are not taken from the test data"
            )
        return self


class Domain(Settings):
    """One side of the cross-domain table: of Lo-Bi, of AdaComp, or of both."""

    name: str = Field(min_length=1)
    """Its name in the table."""

    calibration: File | None = None
    """Lo-Bi: what the model is compressed with."""

    task: Task | None = None
    """Lo-Bi: what the compressed models are measured on."""

    labels: File | None = None
    """AdaComp: labelled questions to the documents; every second one calibrates, the others are measured with."""

    @model_validator(mode="after")
    def _is_a_side(self) -> Domain:
        if (self.calibration is None) != (self.task is None):
            raise ValueError(
                "takes calibration and task together: compressed with one, measured on the other"
            )
        if self.calibration is None and self.labels is None:
            raise ValueError("needs calibration and task (for Lo-Bi), or labels (for AdaComp), or all three")
        return self
