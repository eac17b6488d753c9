"""Loading a model that may be larger than memory: what does not fit stays on disk, and is fetched layer by layer."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from compressed_tensors.offload import load_offloaded_model
from llmcompressor.transformers.compression.compressed_tensors_utils import modify_save_pretrained
from transformers import AutoConfig, AutoModelForCausalLM

from hola_plugins.lobi.model_source import made_savable

logger = logging.getLogger(__name__)

_SHARDS_A_MEMORY = 8
"""A file of the checkpoint is put together in memory, so it is no larger than this part of what the weights may take."""


def load(model: str, dtype: str, memory: int | None, folder: Path) -> Any:
    """Loads a causal language model; what does not fit stays in its files, and is read again for every use.

    Such a model is saved in files that are small beside the memory.

    Args:
        model: Path or hub id.
        dtype: Dtype to load it in; auto takes that of its checkpoint.
        memory: Most bytes of weights in memory; None has no limit.
        folder: For weights that change and do not fit; made where it is needed.

    Raises:
        LoBiError: If its generation_config.json cannot be saved again.
    """
    if memory is None or loaded_bytes(model, dtype) <= memory:
        return made_savable(AutoModelForCausalLM.from_pretrained(model, dtype=dtype))
    logger.warning(
        "%s is larger than the %d MB that its weights may take: the rest stays on disk", model, memory >> 20
    )
    folder.mkdir(parents=True, exist_ok=True)
    with load_offloaded_model():
        loaded = AutoModelForCausalLM.from_pretrained(
            model,
            dtype=dtype,
            device_map="auto_offload",
            max_memory={"cpu": memory},
            offload_folder=str(folder),
        )
    modify_save_pretrained(loaded)
    loaded.save_pretrained = partial(
        loaded.save_pretrained, max_shard_size=max(1, memory // _SHARDS_A_MEMORY)
    )
    loaded.save_pretrained._overridden = True  # noqa: SLF001 - llmcompressor would wrap it once more
    return made_savable(loaded)


def half_of_free_memory() -> int:
    """Gives half of the machine's free memory in bytes; a container's own limit is not known here."""
    return int(psutil.virtual_memory().available) // 2


def loaded_bytes(model: str, dtype: str) -> int:
    """Gives the bytes of a model's weights in a dtype, from its config alone."""
    config = AutoConfig.from_pretrained(model)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config)
    stored = config.dtype if dtype == "auto" else getattr(torch, dtype)
    size = (stored or torch.float32).itemsize
    return sum(weight.numel() * size for weight in empty.parameters())
