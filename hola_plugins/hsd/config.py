"""Settings of HSD: one frozen model, a range on every field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from hola_plugins.files.input_file import SETTINGS_BYTES, InputFileError, read_json
from hola_plugins.settings_error import in_words

LevelName = Literal["request", "store", "transitions"]


class ConfigError(ValueError):
    """A setting that HSD does not accept; the message names it and the remedy."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreConfig(_Settings):
    """What requests share."""

    tokens: int = Field(default=1 << 19, ge=1024, le=1 << 28)
    """Corpus and outputs kept for other requests, in tokens; about 33 bytes each. The oldest outputs are overwritten."""

    isolated: bool = False
    """Keep requests apart: neither what one holds nor how its drafts fared reaches another's drafts.

    A corpus still serves all. Match probabilities stay at the prior and follow a request's own success only. Lengths
    still depend on step times, which all requests share, unless ``control.mode`` is static.
    """

    corpus: str | None = None
    """Static corpus: a UTF-8 text file, or a .npy file of token ids, loaded at start; it must leave room in the store."""

    transitions: int = Field(default=1 << 17, ge=1024, le=1 << 26)
    """Entries of the transition table, rounded up to a power of two; 20 bytes each."""


class IntermediateConfig(_Settings):
    """A small language model between the cheap levels and the target."""

    model: str | None = None
    """Folder or hub id of a causal language model with the target's tokenizer; null for no such level."""

    device: str = "auto"
    """Where it runs, as torch names it. auto: cuda where there is one, else cpu."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Its number format. auto: float32 on a CPU, the checkpoint's own elsewhere."""

    window: int = Field(default=512, ge=128, le=1 << 15)
    """Most recent tokens of a request that it sees, at least twice the longest draft; cache memory grows with it."""

    requests: int = Field(default=32, ge=1, le=4096)
    """Requests whose cache is held at once; more than these go without the level."""

    rounds: int = Field(default=8, ge=1, le=32)
    """Most forward passes in one call; each adds at most one token of its own to a draft."""

    prompt_tokens: int = Field(default=256, ge=16, le=1 << 14)
    """Prompt tokens that it reads in one call; a longer prompt is spread over several calls."""


class ControlConfig(_Settings):
    """How long drafts may be."""

    mode: Literal["goodput", "static"] = "goodput"
    """goodput: lengths from expected tokens per second; static: a fixed survival threshold, no clock."""

    survival: float = Field(default=0.3, ge=0.0, le=1.0)
    """static mode: a draft ends where the probability that it is accepted as a whole falls under this."""

    explore: float = Field(default=0.01, ge=0.0, le=0.2)
    """goodput mode: share of steps sent without drafts to keep the baseline step time current."""

    least_gain: float = Field(default=0.03, ge=0.0, le=1.0)
    """goodput mode: least gain in tokens per second, as a share, that drafts are sent for; what was learned errs by as much."""

    breaker: bool = True
    """goodput mode: stop drafting for a while when measured goodput falls under the no-draft baseline."""

    breaker_ratio: float = Field(default=0.98, gt=0.0, le=1.0)
    """Measured goodput over the no-draft baseline under which the breaker opens."""

    fill: bool = True
    """goodput mode, on a GPU: fill drafts up to the longest where vLLM's full CUDA graphs make that measurably faster."""

    max_batch: int | None = Field(default=None, ge=1)
    """Draft nothing for batches of more requests than this; null leaves it to the control."""


class TelemetryConfig(_Settings):
    """Where counters go."""

    log_interval_s: float = Field(default=60.0, ge=0.0)
    """Seconds between log lines; 0 switches them off."""

    jsonl: str | None = None
    """File that receives one snapshot a line, for `hola stats`; the second replica of data parallelism takes NAME.1.jsonl."""

    jsonl_interval_s: float = Field(default=10.0, gt=0.0)
    """Seconds between lines of that file."""


class HSDConfig(_Settings):
    """Settings of `hola_plugins.vllm.HSDProposer`; every default is meant to be left alone.

    They come from ``additional_config["hola"]["hsd"]`` of the vLLM configuration, or from the JSON file
    that its ``config_file`` names. Tunables in a file keep vLLM's compile cache valid, since the content
    of ``additional_config`` is part of its key.
    """

    levels: tuple[LevelName, ...] = ("request", "store", "transitions")
    """Levels that draft, whatever their order here.

    request: the request's own tokens; store: outputs of others and the corpus; transitions: frequent successors.
    """

    tau: Literal["auto"] | float = "auto"
    """Entropy in nats over which the next level is asked; of a number also the entropy over which no token is drafted.

    auto: the next level is asked for a token that matches with less than 0.7 (1.42 nats), and only `control` ends drafts.
    """

    max_draft: int | None = Field(default=None, ge=1, le=64)
    """Longest draft in tokens; null takes vLLM's num_speculative_tokens, which also caps it."""

    rounds: int = Field(default=4, ge=1, le=16)
    """Passes over the levels in one call; each may bridge one token that no level is sure of."""

    index_tokens_per_call: int = Field(default=4096, ge=256, le=1 << 20)
    """Prompt tokens indexed in one call; a longer prompt is spread over several calls."""

    max_requests: int | None = Field(default=None, ge=1, le=1 << 16)
    """Requests remembered at once; null is twice vLLM's max_num_seqs plus 16."""

    deadline_ms: float = Field(default=5.0, gt=0.0)
    """Time in milliseconds after which a call asks no further level; a neural level's own time is not counted."""

    backoff_calls: int = Field(default=64, ge=1)
    """Calls for which a failing level is left out; doubles with each failure in a row."""

    deterministic: bool = False
    """No clocks, no random numbers: equal tokens give equal drafts. Forced with the external launcher."""

    store: StoreConfig = StoreConfig()
    intermediate: IntermediateConfig = IntermediateConfig()
    control: ControlConfig = ControlConfig()
    telemetry: TelemetryConfig = TelemetryConfig()

    @field_validator("tau")
    @classmethod
    def _tau_is_positive(cls, tau: str | float) -> str | float:
        if isinstance(tau, float) and not 0.0 < tau <= 20.0:
            raise ValueError('must be "auto" or a number of nats over 0 and up to 20')
        return tau

    @field_validator("levels")
    @classmethod
    def _levels_are_distinct(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if not levels or len(set(levels)) != len(levels):
            raise ValueError("must name at least one level, each once")
        return levels

    @field_validator("store")
    @classmethod
    def _corpus_has_a_level(cls, store: StoreConfig, info: ValidationInfo) -> StoreConfig:
        if store.corpus is not None and info.data.get("levels") == ("request",):
            raise ValueError("'corpus' serves the levels 'store' and 'transitions': name one in 'levels'")
        return store


def load_config(settings: Mapping[str, Any] | None) -> HSDConfig:
    """Builds the settings from ``additional_config["hola"]["hsd"]``.

    Args:
        settings: The mapping, with ``config_file`` naming a JSON file or with the settings themselves;
            settings beside ``config_file`` win over the file, one by one. None or empty gives the defaults.

    Raises:
        ConfigError: A key that does not exist, a value out of range, or a file that cannot be read. The
            message names the key, the value and what is allowed.
    """
    if settings is None:
        return HSDConfig()
    if not isinstance(settings, Mapping):
        raise ConfigError(
            f'additional_config["hola"]["hsd"] must be a mapping of settings, got {settings!r}; '
            f'write for example {{"hola": {{"hsd": {{"tau": "auto"}}}}}}'
        )
    merged = dict(settings)
    path = merged.pop("config_file", None)
    if path is not None:
        merged = _laid_over(_read_file(path), merged)
    try:
        return HSDConfig.model_validate(merged)
    except ValidationError as error:
        raise ConfigError(in_words(error, merged, HSDConfig, "HSD", ["config_file"])) from None


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lays settings over others, group by group."""
    found = below | above
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(under := below.get(key), dict):
            found[key] = _laid_over(under, value)
    return found


def _read_file(path: Any) -> dict[str, Any]:
    """Reads the settings file."""
    if not isinstance(path, str):
        raise ConfigError(f"HSD setting 'config_file' must be a path, got {path!r}")
    try:
        content = read_json(Path(path), SETTINGS_BYTES)
    except InputFileError as error:
        raise ConfigError(f"HSD setting 'config_file': {error}") from None
    except OSError as error:
        raise ConfigError(f"HSD setting 'config_file': cannot read {path!r}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"HSD setting 'config_file': {path!r} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"HSD setting 'config_file': {path!r} must hold a JSON object of settings")
    return content
