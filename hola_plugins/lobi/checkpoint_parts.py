"""How transformers splits a checkpoint into files, and what it calls the tensors there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

from hola_plugins.lobi.safetensors_file import StoredTensor

_LARGEST = 20_000_000_000
"""Where llmcompressor splits a checkpoint."""


def largest_part(model: Any) -> int:
    """Gives the most data of a file in bytes, which a model may carry as a default of its ``save_pretrained``."""
    defaults = getattr(model.save_pretrained, "keywords", {})
    return int(defaults.get("max_shard_size", _LARGEST))


def split_into_parts(tensors: Iterable[StoredTensor], largest: int) -> list[list[StoredTensor]]:
    """Splits tensors into files, in their order; one larger than a file has its own.

    Args:
        tensors: The tensors, in the order of the model's state dict.
        largest: Most bytes of data of a file.
    """
    parts: list[list[StoredTensor]] = []
    current: list[StoredTensor] = []
    held = 0
    for tensor in tensors:
        if tensor.size > largest:
            parts.append([tensor])
            continue
        if held + tensor.size > largest:
            parts.append(current)
            current, held = [], 0
        current.append(tensor)
        held += tensor.size
    return [*parts, current] if current else parts


def saved_name(model: Any) -> Callable[[str], str]:
    """Gives what makes a tensor's key in a checkpoint of its name in the model.

    transformers takes back on saving what it renamed on loading: GPT-NeoX's lm_head is stored as embed_out.
    """
    loaded = getattr(model, "_weight_conversions", None) or []
    renamings = [one.reverse_transform() for one in reversed(loaded) if not hasattr(one, "operations")]
    return lambda name: reduce(lambda key, one: str(one.rename_source_key(key)[0]), renamings, name)
