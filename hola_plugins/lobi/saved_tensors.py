"""The tensors that a checkpoint of a model holds, one at a time: a model may lie in another memory, or on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch


def saved_tensors(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yields every parameter and every buffer that is saved with its key; tied ones once.

    Where weights are offloaded, each is fetched when it is its turn, and dropped when the next one is asked for.
    """
    seen: set[int] = set()
    head = model.get_output_embeddings() if head_is_tied(model) else None
    for path, module in model.named_modules():
        for name, tensors in _own(module):
            held = id(getattr(tensors, "offloaded_values", tensors)[name])
            if (module is head and name == "weight") or held in seen:
                continue
            seen.add(held)
            yield f"{path}.{name}" if path else name, tensors[name]


def fingerprint(model: Any, settings: Mapping[str, Any], tensors: Iterable[torch.Tensor] = ()) -> str:
    """Gives a digest of all weights, of settings that JSON holds, and of other tensors, such as token ids."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, tensor in saved_tensors(model):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor))
    for tensor in tensors:
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def head_is_tied(model: Any) -> bool:
    """Tells whether the head and the embedding are one weight in a checkpoint."""
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if head is None:
        return False
    if is_offloaded(embedding):
        return bool(model.config.get_text_config().tie_word_embeddings)
    return head.weight is embedding.weight


def is_offloaded(module: Any) -> bool:
    """Tells whether a module's own weights lie elsewhere and are fetched when they are used."""
    return type(module._parameters) is not dict  # noqa: SLF001


def _own(module: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields the names of a module's own parameters and saved buffers, each with what holds it."""
    left_out = module._non_persistent_buffers_set  # noqa: SLF001
    for tensors in (module._parameters, module._buffers):  # noqa: SLF001
        for name, tensor in getattr(tensors, "offloaded_values", tensors).items():
            if name not in left_out and tensor is not None:
                yield name, tensors


def _bytes(tensor: torch.Tensor) -> bytes:
    """Gives the memory of a tensor."""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    found: bytes = flat.numpy().tobytes()
    return found
