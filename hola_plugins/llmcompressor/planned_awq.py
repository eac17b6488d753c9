"""llmcompressor's AWQ under a plan that leaves single layers as they are, with an accelerator or without."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from compressed_tensors.utils import patch_attr
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.pipelines.cache import IntermediatesCache


class PlannedAWQModifier(AWQModifier):  # type: ignore[misc]
    """AWQ that smooths only where a layer behind the smoothed one is quantised.

    llmcompressor also tries where that alone is, whose error it then divides by no weights.
    """

    def _set_resolved_mappings(self, model: Any) -> None:
        super()._set_resolved_mappings(model)
        for mapping in list(self._resolved_mappings):
            if not any(hasattr(layer, "quantization_scheme") for layer in mapping.balance_layers):
                self._resolved_mappings.remove(mapping)


def pinned_memory_only_for_accelerators() -> AbstractContextManager[None]:
    """Lets llmcompressor's AWQ run without an accelerator, where it stops in asking for pinned memory."""
    if torch.accelerator.is_available():
        return nullcontext()
    return cast("AbstractContextManager[None]", patch_attr(IntermediatesCache, "pin_memory", _pin_nothing))


def _pin_nothing(*_: Any, **__: Any) -> None:
    """Stands in for pinning where there is nothing to copy to."""
