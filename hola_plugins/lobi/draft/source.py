"""What a draft is made from: the target's tokenizer, prompts to learn from, and prompts to measure on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.default_text import NAME
from hola_plugins.lobi.draft.config import DraftConfig
from hola_plugins.lobi.draft.prompts import LEAST_PROMPTS, default_prompts, read_prompts, token_prompts
from hola_plugins.lobi.model_source import is_quantised, read_config, read_tokenizer

_LEAST, _MOST = LEAST_PROMPTS // 3, 200
"""Prompts that each measurement reads: a tenth of all, within these."""


@dataclass(frozen=True, slots=True)
class DraftSource:
    """A target and its prompts, read before its weights are.

    Attributes:
        model: Path or hub id of the target.
        tokenizer: Its tokenizer.
        fitting: Prompts to learn from, as token ids.
        checks: Prompts that training is measured on.
        held_out: Prompts that only the finished draft is measured on.
        made_of: Names, digests and numbers of all three.
    """

    model: str
    tokenizer: Any
    fitting: list[list[int]] = field(repr=False)
    checks: list[list[int]] = field(repr=False)
    held_out: list[list[int]] = field(repr=False)
    made_of: dict[str, Any]


def read_draft_source(
    model: str, prompts: Path | None, held_out: Path | None, config: DraftConfig
) -> DraftSource:
    """Reads what is needed besides the weights.

    Args:
        model: Path or hub id of the target.
        prompts: File of prompts; None takes Python's documentation.
        held_out: File of prompts to measure the finished draft on; None keeps some of the others for that.
        config: The settings.

    Raises:
        LoBiError: If the target has no tokenizer, is quantised, or the prompts are damaged or too few.
        OSError: If there is no such file.
    """
    _check_unquantised(model)
    tokenizer = read_tokenizer(model)
    found = _tokens(prompts, tokenizer, config, config.prompts, LEAST_PROMPTS)
    if held_out is None:
        measured, found = _divide(found)
    else:
        measured = _tokens(held_out, tokenizer, config, _MOST, _LEAST)
        same = {tuple(prompt) for prompt in measured}
        found = [prompt for prompt in found if tuple(prompt) not in same]
    checks, fitting = _divide(found)
    if not fitting:
        raise LoBiError(f"{prompts} has no prompts that are not held out: give other ones to learn from")
    made_of = {
        "source": _name(prompts),
        "held_out_source": _name(held_out or prompts),
        "fitting": len(fitting),
        "checks": len(checks),
        "held_out": len(measured),
    }
    return DraftSource(model, tokenizer, fitting, checks, measured, made_of)


def _check_unquantised(model: str) -> None:
    """Refuses a target whose weights cannot be cut and trained."""
    if is_quantised(read_config(model)):
        raise LoBiError(
            f"{model} is quantised, and its weights can be neither cut nor trained: make the draft of the model "
            "that it was quantised from; their tokens are the same"
        )


def _tokens(path: Path | None, tokenizer: Any, config: DraftConfig, most: int, least: int) -> list[list[int]]:
    """Reads and draws the prompts of a file."""
    prompts = default_prompts() if path is None else read_prompts(path)
    return token_prompts(prompts, tokenizer, most, config.prompt_tokens, config.seed, least)


def _divide(prompts: Sequence[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Keeps a tenth apart."""
    kept = min(_MOST, max(_LEAST, len(prompts) // 10))
    return list(prompts[:kept]), list(prompts[kept:])


def _name(path: Path | None) -> dict[str, str]:
    """Names a source; a file by its digest too."""
    if path is None:
        return {"name": NAME}
    return {"name": path.name, "sha256": sha256(path.read_bytes()).hexdigest()}
