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
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file

from hola_plugins.files.input_file import WHOLE_BYTES, read_json
from hola_plugins.lobi.model_source import made_savable
from hola_plugins.lobi.safetensors_file import CODES
from hola_plugins.page.figures import in_bytes

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
        "%s is larger than the %s that its weights may take: the rest stays on disk", model, in_bytes(memory)
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
    """Gives the bytes of a model's weights in a dtype; auto takes that of its config, else of its first weight."""
    config = AutoConfig.from_pretrained(model)
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config)
    stored = (config.dtype or _stored_dtype(model)) if dtype == "auto" else getattr(torch, dtype)
    return sum(weight.numel() * stored.itemsize for weight in empty.parameters())


def _stored_dtype(model: str) -> torch.dtype:
    """Gives the dtype of a checkpoint's first floating tensor; float32 where it has no safetensors."""
    file = _file_of(model, SAFE_WEIGHTS_NAME)
    if file is None and (index := _file_of(model, SAFE_WEIGHTS_INDEX_NAME)):
        file = _file_of(model, min(read_json(Path(index), WHOLE_BYTES)["weight_map"].values()))
    if file is None:
        return torch.float32
    floating = {code: dtype for dtype, code in CODES.items() if dtype.is_floating_point}
    with safe_open(file, "pt") as tensors:
        codes = (tensors.get_slice(name).get_dtype() for name in tensors.keys())  # noqa: SIM118 - no mapping
        return next((floating[code] for code in codes if code in floating), torch.float32)


def _file_of(model: str, name: str) -> str | None:
    """Finds a file of a model, local or of the hub; None where it has none of the name."""
    found: str | None = cached_file(model, name, _raise_exceptions_for_missing_entries=False)
    return found
