"""Loads a model as vLLM does and weighs it by the heap's growth: vLLM's ``load_format="weighing"`` once imported.

A model's parameters do not tell on a CPU: vLLM's kernels keep packed copies inside oneDNN and empty the parameters.
"""

from __future__ import annotations

import ctypes
import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vllm.model_executor.model_loader import register_model_loader
from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

if TYPE_CHECKING:
    from torch import nn

_weights: list[int] = []


@register_model_loader("weighing")
class WeighingLoader(DefaultModelLoader):
    """vLLM's loader, with a scale under it."""

    def __init__(self, load_config: Any) -> None:
        super().__init__(replace(load_config, load_format="auto"))

    def load_model(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Loads a model and notes its weight."""
        before = heap_bytes()
        model = super().load_model(*args, **kwargs)
        gc.collect()
        _weights.append(heap_bytes() - before)
        return model


def loaded_bytes() -> int:
    """Gives the bytes of all models that this process loaded, packed copies included."""
    return sum(_weights)


class _Mallinfo(ctypes.Structure):
    """glibc's `struct mallinfo2`, as far as it is read."""

    _fields_ = [
        ("arena", ctypes.c_size_t),
        ("unread", ctypes.c_size_t * 3),
        ("mapped", ctypes.c_size_t),
        ("unread_too", ctypes.c_size_t * 2),
        ("in_use", ctypes.c_size_t),
        ("rest", ctypes.c_size_t * 2),
    ]


def heap_bytes() -> int:
    """Gives the bytes that are allocated and not freed, by tcmalloc where it is loaded, else by glibc.

    Raises:
        OSError: If the process allocates by neither.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "MallocExtension_GetNumericProperty"):
        value = ctypes.c_size_t()
        library.MallocExtension_GetNumericProperty(b"generic.current_allocated_bytes", ctypes.byref(value))
        return value.value
    if not hasattr(library, "mallinfo2"):
        raise OSError("the allocator does not tell its bytes: use tcmalloc, or glibc 2.33 or newer")
    library.mallinfo2.restype = _Mallinfo
    found = library.mallinfo2()
    return int(found.in_use + found.mapped)
