"""The contract between measuring and reporting: what a pilot found, as one JSON document.

Measuring fills it stage by stage, the report only reads it. A figure that was not measured is null, never a
zero; a stage that failed carries its error and no figures.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
"""Version of the document."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(_Part):
    """One answered request.

    Attributes:
        repeat: Number of the interleaved repeat, from 0.
        prompt: Id of the prompt; requests of equal id and repeat are compared between stages.
        category: Kind of prompt.
        latency_s: Seconds from sending to the last token.
        first_token_s: Seconds to the first token.
        tokens_in: Tokens of the prompt as it was sent, context included.
        tokens_out: Tokens of the answer.
        output: SHA-256 of the answer, to compare answers between stages.
        searched: Whether passages were searched for it before it was sent, which takes its stage's `retrieval.seconds`.
    """

    repeat: int
    prompt: str
    category: str
    latency_s: float
    first_token_s: float
    tokens_in: int
    tokens_out: int
    output: str
    searched: bool = False


class Memory(_Part):
    """Memory of a stage, in bytes.

    Attributes:
        weights: What its weights take, draft included; null where the target's are neither told by vLLM nor weighed.
        peak: Most resident memory of the engine's processes; on a GPU that of the device.
        checkpoint: Size of the weight files.
    """

    weights: int | None = None
    peak: int | None = None
    checkpoint: int | None = None


class Accuracy(_Part):
    """One task's score.

    Attributes:
        task: Name of the task.
        metric: Name of the metric, for example "exact_match".
        value: Score, 0 to 1.
        stderr: Its standard error.
        questions: How many were asked.
        right: By question, whether it was answered rightly, for paired tests; empty where unknown, or where a
            question's score is more than right or wrong.
        retrieves: Whether passages were retrieved for its questions, without which AdaComp cannot move it.
    """

    task: str
    metric: str
    value: float
    stderr: float | None = None
    questions: int
    right: tuple[bool, ...] = ()
    retrieves: bool = False


class Retrieval(_Part):
    """How the documents were found.

    Attributes:
        recall: Mean share of a query's relevant passages that were kept; null without labels.
        tokens: Mean tokens of context a query.
        skipped: Share of queries that got no context.
        queries: How many.
        recalls: By query, for paired tests.
        seconds: Mean seconds a query, on top of the requests' latency; null where not measured.
    """

    recall: float | None
    tokens: float
    skipped: float
    queries: int
    recalls: tuple[float, ...] = ()
    seconds: float | None = None


class Stage(_Part):
    """One step of the adoption and what was measured of it.

    Attributes:
        name: "baseline", "hsd", "adacomp", "lobi" or "all".
        title: The name for people, for example "+ AdaComp".
        adds: What it adds to the stage before, in a sentence.
        status: "done", "failed", or "skipped" where the configuration leaves it out.
        error: Why it failed or was skipped.
        unscored: Why a task has no score, by its name.
        model: Path or hub id that was served.
        settings: What is ready to be copied, by its name: "vllm" and "langchain" hold arguments, "calibration" the
            retriever's method that calibrates it and that method's file, "hola compress" is the whole command.
        requests: Every answered request.
        failed_requests: How many requests got no answer.
        first_failure: The prompt's id and the reason of the first of them; null where there is none, and in results
            that were written before it was kept.
        memory: Memory.
        accuracy: Scores, one a task.
        retrieval: Retrieval; null where no documents are given.
        seconds: What the stage took to measure.
    """

    name: str
    title: str
    adds: str
    status: Literal["done", "failed", "skipped"]
    error: str | None = None
    unscored: dict[str, str] = {}
    model: str = ""
    settings: dict[str, dict[str, object] | str] = {}
    requests: tuple[Request, ...] = ()
    failed_requests: int = 0
    first_failure: str | None = None
    memory: Memory = Memory()
    accuracy: tuple[Accuracy, ...] = ()
    retrieval: Retrieval | None = None
    seconds: float = 0.0


class CrossDomain(_Part):
    """What was fitted on one domain, measured on another.

    Attributes:
        method: "lobi" or "adacomp".
        fitted_on: Name of the domain that it was calibrated on.
        measured_on: Name of the domain that it was measured on.
        metric: Name of the metric.
        value: Score.
        reference: The baseline's score on the same questions.
        stderr: Standard error of the value.
        questions: How many.
    """

    method: str
    fitted_on: str
    measured_on: str
    metric: str
    value: float
    reference: float
    stderr: float | None = None
    questions: int


Price = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
"""What is paid for one of something."""


class Prices(_Part):
    """What the user pays, in one currency.

    Attributes:
        currency: Its sign or name.
        machine_hour: One hour of the serving machine.
        million_tokens_in: A million prompt tokens, where tokens are billed.
        million_tokens_out: A million answer tokens.
    """

    currency: str = "USD"
    machine_hour: Price | None = None
    million_tokens_in: Price | None = None
    million_tokens_out: Price | None = None


class Provenance(_Part):
    """Where the figures come from.

    Attributes:
        command: Command line.
        started: Start, ISO 8601.
        finished: End, ISO 8601.
        versions: Package to version, of all environments.
        machine: Processor, cores, memory and accelerator, ready to be shown.
        commit: Commit of this package where it runs from a checkout.
        config_sha256: Hash of the configuration file.
        added: Options that measuring adds to vLLM's settings to copy.
    """

    command: str
    started: str
    finished: str
    versions: dict[str, str]
    machine: dict[str, str]
    commit: str | None = None
    config_sha256: str
    added: tuple[str, ...] = ()


class Results(_Part):
    """Everything that one pilot found.

    Attributes:
        schema_version: Version of this document.
        title: Name of the pilot.
        prompts: How many prompts and queries each stage was sent, in all repeats together.
        repeats: Interleaved repeats that they were dealt to.
        concurrency: Requests in flight at once.
        stages: The stages in the order of adoption; the first one is the baseline.
        cross_domain: The cross-domain table; empty where it was not asked for.
        prices: What the user pays.
        provenance: Where the figures come from.
    """

    schema_version: int = SCHEMA
    title: str
    prompts: int
    repeats: int
    concurrency: int
    stages: tuple[Stage, ...]
    cross_domain: tuple[CrossDomain, ...] = ()
    prices: Prices = Prices()
    provenance: Provenance
