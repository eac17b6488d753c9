"""Settings of Lo-Bi: one frozen model, a range on every field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hola_plugins.lobi.scheme import DEFAULT_CHOICES, LOADABLE, UNQUANTISED, parse_scheme
from hola_plugins.settings_error import in_words


class LoBiError(ValueError):
    """A setting, model or data that Lo-Bi does not accept; the message names it and the remedy."""


class InfeasibleBudgetError(LoBiError):
    """No plan fits the budget; the message names the smallest that one does."""


class Settings(BaseModel):
    """What every group of settings is: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PruneConfig(Settings):
    """How much of each kind of structure is cut, as a fraction; widths stay multiples of ``multiple``."""

    channels: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Channels of every MLP; which ones may differ by layer, how many may not."""

    kv_heads: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Key-value heads with the query heads that read them."""

    layers: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Whole decoder layers."""

    multiple: int = Field(default=128, ge=1)
    """MLP width is cut to a multiple of this; kernels of quantised layers want 128."""

    @property
    def active(self) -> bool:
        """Whether anything is cut."""
        return max(self.channels, self.kv_heads, self.layers) > 0


class LoraConfig(Settings):
    """LoRA: the factors that saliency is read from, and the recovery after a cut."""

    rank: int = Field(default=8, ge=1, le=512)
    """Rank of the factors."""

    steps: int = Field(default=120, ge=0)
    """Most optimiser steps of the recovery; 0 switches it off."""

    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    """Peak learning rate of AdamW; it falls to 0 along a cosine."""

    loss: Literal["distillation", "language_modelling"] = "distillation"
    """distillation: KL to the uncut model's logits; language_modelling: cross-entropy on the text."""

    check_every: int = Field(default=10, ge=1)
    """Steps between measurements on held-out text."""

    patience: int = Field(default=4, ge=1)
    """Measurements without improvement after which recovery stops."""

    adapter: str | None = None
    """Folder that receives the peft adapter of a recovery that helped; null keeps none."""


class TuneConfig(Settings):
    """Training after quantisation, of what costs no byte: scales, norms and biases."""

    steps: int = Field(default=0, ge=0)
    """Most optimiser steps, of 8 rows each; 0 switches it off, some 100 are of use with 100 rows or more."""

    learning_rate: float = Field(default=2e-3, gt=0.0, le=1.0)
    """Peak learning rate of AdamW, relative to the size of what is trained; it falls to 0 along a cosine."""

    check_every: int = Field(default=20, ge=1)
    """Steps between measurements on held-out text."""

    patience: int = Field(default=3, ge=1)
    """Measurements without improvement after which tuning stops."""


class LoBiConfig(Settings):
    """Settings of `hola_plugins.llmcompressor.LoBiModifier`, the keys of its recipe entry.

    At most one budget may be given. Without one nothing is quantised, and the run prunes alone.
    """

    target_bytes: int | None = Field(default=None, ge=1)
    """Largest size of model.safetensors in bytes, header included."""

    target_bits: float | None = Field(default=None, gt=0.0, le=32.0)
    """Largest mean of stored bits, scales included, over the weights of the layers that may be quantised."""

    target_ratio: float | None = Field(default=None, gt=0.0, le=1.0)
    """Largest size of model.safetensors as a share of that of the model as it came."""

    target_device: Literal["cpu", "cpu_avx2", "cuda"] = "cpu"
    """Where vLLM will run the checkpoint: fixes which schemes load. cpu means one with AVX-512."""

    choices: list[str] | None = None
    """Schemes to choose from; null takes the default of the target device."""

    ignore: list[str] = []
    """Layers left as they are: names, the class Linear, or regular expressions behind ``re:``. A head (lm_head) of its own weight
    may be quantised like any other layer; one that shares the embedding's never is. Where prune.layers drops some, an
    entry must mean the same in every layer."""

    prune: PruneConfig | Literal["auto"] = PruneConfig()
    """What is cut. A number cuts that share of MLP channels; auto lets the budget decide over channels, then layers."""

    lora: LoraConfig = LoraConfig()
    tune: TuneConfig = TuneConfig()
    sensitivity: Literal["fisher", "kl"] = "fisher"
    """fisher: one backward pass for all layers and schemes; kl: one forward pass for each of them."""

    quantizer: Literal["gptq", "awq", "rtn"] = "gptq"
    """Which of llmcompressor's methods quantises."""

    guard: bool = True
    """Compare the plan on held-out text with every uniform one that fits, and the rule-made ones whose scores
    come near, and keep the best."""

    samples: int = Field(default=128, ge=2)
    """Calibration sequences used for saliency, recovery and scores; GPTQ sees all that the host has."""

    held_out: float = Field(default=0.25, gt=0.0, lt=1.0)
    """Share of those sequences kept for measuring; `hola compress` keeps them from GPTQ as well."""

    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of every random number."""

    cache: str | None = None
    """Folder for scores, so that another budget is solved without scoring again; null keeps none."""

    report: str | None = None
    """JSON file that receives the report; the page goes beside it as .html. null writes none."""

    plan: dict[str, list[str]] | None = None
    """Layers by scheme, as a finished run writes it into its recipe: nothing is scored, the plan is used. It must
    keep the other settings: the budget, the device, the choices and what is ignored."""

    @field_validator("prune", mode="before")
    @classmethod
    def _number_cuts_channels(cls, prune: Any) -> Any:
        return {"channels": prune} if isinstance(prune, int | float) else prune

    @field_validator("ignore")
    @classmethod
    def _expressions_are_regular(cls, ignore: list[str]) -> list[str]:
        for one in ignore:
            try:
                re.compile(one.removeprefix("re:") if one.startswith("re:") else "")
            except (re.error, RecursionError, OverflowError) as error:
                raise ValueError(f"{one!r} is no regular expression behind re: ({error})") from None
        return ignore

    @field_validator("report")
    @classmethod
    def _report_is_no_page(cls, report: str | None) -> str | None:
        if report is not None and report.lower().endswith(".html"):
            raise ValueError(
                f"report is the JSON file, got {report!r}; the page is written beside it as .html"
            )
        return report

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        budgets = {"target_bytes", "target_bits", "target_ratio"}
        given = sorted(name for name in budgets if getattr(self, name) is not None)
        if len(given) > 1:
            raise ValueError(f"give one budget, got {' and '.join(given)}")
        if self.prune == "auto" and not given and self.plan is None:
            raise ValueError("prune: auto needs a budget: target_bytes, target_bits or target_ratio")
        others = sorted((self.plan or {}).keys() - (self.choices or self.plan or {}))
        if others:
            raise ValueError(
                f"the plan has {others[0]}, which is none of the choices {', '.join(self.choices or [])}"
            )
        if UNQUANTISED in (self.plan or {}):
            raise ValueError(f"the plan names quantised layers only: leave out those in {UNQUANTISED}")
        for name in (*self.scheme_names, *(self.plan or {})):
            scheme = parse_scheme(name)
            if not scheme.loads_on(self.target_device):
                raise ValueError(
                    f"{name} does not load in vLLM on {self.target_device}; there load "
                    f"{', '.join(LOADABLE[self.target_device])}"
                )
        return self

    @property
    def scheme_names(self) -> list[str]:
        """The schemes to choose from."""
        return self.choices or list(DEFAULT_CHOICES[self.target_device])

    @property
    def changes_weights(self) -> bool:
        """Whether weights are cut, and so trained again, for which all must lie in one memory."""
        return self.prune == "auto" or self.prune.active

    @property
    def has_budget(self) -> bool:
        """Whether a budget was given."""
        return (self.target_bytes or self.target_bits or self.target_ratio) is not None

    @property
    def allocates(self) -> bool:
        """Whether bits are allocated: a budget was given, and no finished plan."""
        return self.has_budget and self.plan is None


def refusal(error: ValidationError, settings: Any, model: type[BaseModel], owner: str = "Lo-Bi") -> LoBiError:
    """Puts pydantic's errors into one of Lo-Bi's, with key, value and remedy of each."""
    return LoBiError(in_words(error, settings, model, owner))


def load_config(settings: Mapping[str, Any]) -> LoBiConfig:
    """Checks settings.

    Raises:
        LoBiError: For settings that Lo-Bi does not accept, with key, value and remedy.
    """
    try:
        return LoBiConfig.model_validate(dict(settings))
    except ValidationError as error:
        raise refusal(error, settings, LoBiConfig) from None
