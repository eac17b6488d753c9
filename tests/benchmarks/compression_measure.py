"""The ruler: perplexity, and KL divergence from the original, of a checkpoint as transformers loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from compression_host import load
from compression_text import batches
from hola_plugins.lobi.divergence import Quality, measure, record


class Ruler:
    """Measures checkpoints of one model, in float32 on a CPU.

    Args:
        source: Folder of the original.
        rows: Evaluation text, int64[rows, length].
    """

    def __init__(self, source: Path, rows: torch.Tensor) -> None:
        model = load(source)
        self._batches = batches(rows)
        self._original = record(model, self._batches)
        self.original: Quality = measure(model, self._batches, self._original)

    def measure(self, folder: Path) -> Quality:
        """Loads and measures a checkpoint."""
        return self.measure_model(load(folder))

    def measure_model(self, model: Any) -> Quality:
        """Measures a model in memory."""
        return measure(model, self._batches, self._original)
