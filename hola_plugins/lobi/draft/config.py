"""Settings of a draft: one frozen model, a range on every field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from hola_plugins.lobi.config import Settings, refusal

_SHARE = 0.25
"""Size of a draft where none is asked for."""


class DraftConfig(Settings):
    """How small a draft is, what it learns from, and for how long."""

    size: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Most parameters of the decoder layers, as a share of the target's; embeddings and head stay. null takes a
    quarter, or the layers that are asked for at full width."""

    layers: int | None = Field(default=None, ge=1)
    """Decoder layers that stay; null takes the fewest that come near the size."""

    multiple: int = Field(default=128, ge=1)
    """MLP width is cut to a multiple of this; kernels of quantised layers want 128."""

    prompts: int = Field(default=2000, ge=24)
    """Most prompts that the target answers, to learn from and to measure on."""

    prompt_tokens: int = Field(default=512, ge=1)
    """Longest prompt in tokens; longer ones are left out."""

    answer_tokens: int = Field(default=128, ge=2)
    """Longest answer in tokens."""

    loss: Literal["kl", "reverse_kl", "total_variation", "greedy"] = "kl"
    """Distance from the target's distribution; greedy: cross-entropy on its likeliest token."""

    train: Literal["all", "lora"] = "all"
    """all: every parameter; lora: factors beside the linear layers, merged at the end, for less memory."""

    rank: int = Field(default=64, ge=1, le=512)
    """Rank of those factors."""

    steps: int = Field(default=2000, ge=0)
    """Most optimiser steps."""

    minutes: float | None = Field(default=None, gt=0.0)
    """Most minutes of training; null leaves it to the steps."""

    rows: int = Field(default=8, ge=1)
    """Prompts with their answers in one step."""

    learning_rate: float | None = Field(default=None, gt=0.0, le=1.0)
    """Peak learning rate of AdamW; null takes 0.25 divided by the hidden size."""

    check_every: int = Field(default=50, ge=1)
    """Steps between measurements of acceptance on prompts kept for that."""

    patience: int = Field(default=10, ge=1)
    """Measurements without improvement after which training stops."""

    seed: int = Field(default=0, ge=0, lt=1 << 63)
    """Seed of the order of prompts and rows, and of the factors."""

    @property
    def share(self) -> float:
        """The most parameters of the decoder layers, as a share of the target's."""
        return self.size or (_SHARE if self.layers is None else 1.0)


def load_draft_config(settings: Mapping[str, Any]) -> DraftConfig:
    """Checks settings.

    Raises:
        LoBiError: For settings that are not accepted, with key, value and what is allowed.
    """
    try:
        return DraftConfig.model_validate(dict(settings))
    except ValidationError as error:
        raise refusal(error, settings, DraftConfig, "draft") from None
