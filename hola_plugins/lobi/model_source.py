"""A model's config, tokenizer, weights and size on disk, with errors that say what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import GENERATION_CONFIG_NAME, cached_file

from hola_plugins.lobi.config import LoBiError

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""Where configs of transformers have the number of experts."""

_SAMPLING = (
    "temperature",
    "top_k",
    "top_p",
    "top_h",
    "min_p",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
)
"""Settings of a generation config that transformers does not save without do_sample, and an engine reads all the same."""

_SHOWN = 160
"""Characters of foreign messages that an error repeats."""


def read_config(model: str) -> Any:
    """Reads a model's config.

    Args:
        model: Path or hub id.

    Raises:
        LoBiError: If there is no such model.
    """
    try:
        return AutoConfig.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise LoBiError(
            f"{model} is neither a folder with a model nor one that the hub gives: {_short(error)}"
        ) from error


def read_tokenizer(model: str) -> Any:
    """Loads a model's tokenizer.

    Args:
        model: Path or hub id.

    Raises:
        LoBiError: If it has none.
    """
    try:
        return AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        raise LoBiError(
            f"{model} has no tokenizer that loads: put its tokenizer.json and tokenizer_config.json beside the "
            f"weights ({_short(error)})"
        ) from error


def load_model(model: str) -> tuple[Any, torch.dtype]:
    """Loads a model in evaluation mode, on an accelerator where there is one, on a CPU in float32 unless quantised.

    Returns:
        The model, and the dtype of its checkpoint.
    """
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype="auto").eval()
    dtype = loaded.dtype
    if torch.accelerator.is_available():
        return loaded.to(torch.accelerator.current_accelerator()), dtype
    return loaded if is_quantised(loaded.config) else loaded.float(), dtype


def made_savable(model: Any) -> Any:
    """Gives a model that transformers saves: one that is greedy has no settings of sampling.

    What is taken away, `copy_generation_config` puts beside the weights again.

    Raises:
        LoBiError: If its generation_config.json cannot be saved again.
    """
    settings = model.generation_config
    try:
        if not settings.do_sample:
            settings.update(**dict.fromkeys(_SAMPLING))
        settings.validate(strict=True)
    except ValueError as error:
        raise LoBiError(f"{model.name_or_path}: mend generation_config.json. {error}") from None
    return model


def copy_generation_config(model: str, folder: Path) -> None:
    """Gives a saved model the generation_config.json of the one that it was made of, if that has one.

    Args:
        model: Path or hub id of what was loaded; nothing is fetched any more.
        folder: The saved model.
    """
    found = cached_file(
        model, GENERATION_CONFIG_NAME, local_files_only=True, _raise_exceptions_for_missing_entries=False
    )
    if found is not None:
        shutil.copyfile(found, folder / GENERATION_CONFIG_NAME)


def is_quantised(config: Any) -> bool:
    """Tells from a model's config whether its weights are quantised."""
    return getattr(config, "quantization_config", None) is not None


def check_unquantised(config: Any, name: str) -> None:
    """Refuses a model whose weights are quantised.

    Args:
        config: Its config.
        name: What the message calls it.

    Raises:
        LoBiError: If they are.
    """
    if is_quantised(config):
        raise LoBiError(
            f"{name} is quantised, and layers that a plan leaves as they are would keep that scheme unseen by the "
            "budget: give the model as it was before it was quantised"
        )


def check_dense(config: Any, name: str) -> None:
    """Refuses a mixture of experts.

    Args:
        config: A model's config.
        name: What the message calls the model.

    Raises:
        LoBiError: If it is one.
    """
    for key in _EXPERTS:
        count = getattr(config.get_text_config(), key, None)
        if isinstance(count, int) and count > 1:
            raise LoBiError(
                f"{name} is a mixture of experts ({key} is {count}); Lo-Bi compresses dense decoders: give one"
            )


def size_on_disk(folder: Path) -> int:
    """Gives the bytes of a checkpoint's weights on disk."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _short(error: Exception) -> str:
    """Gives the beginning of a message of transformers, which run over many lines."""
    words = " ".join(str(error).split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"
