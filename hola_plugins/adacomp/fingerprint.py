"""Tells embedding models apart by what they make of one known text."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

PROBE_TEXT = "The quick brown fox jumps over 13 lazy dogs; le renard brun saute."

_SAME = 0.99
"""Cosine from which two embeddings of the probe count as one model's: half precision and 8 bits stay above."""


class EmbeddingFingerprint(BaseModel):
    """The embedding of `PROBE_TEXT`.

    Names do not identify a model: two folders may hold the same weights, one name may be retrained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(max_length=1000)
    """What the model is called, for messages only."""

    probe: tuple[float, ...] = Field(min_length=1, max_length=1 << 20)
    """The embedding; its length is the model's dimension."""

    @property
    def dimension(self) -> int:
        """Length of the model's vectors."""
        return len(self.probe)

    def similarity(self, other: EmbeddingFingerprint) -> float:
        """Gives the cosine of the two probes; 0 for another dimension."""
        if self.dimension != other.dimension:
            return 0.0
        mine, theirs = np.array(self.probe), np.array(other.probe)
        norms = np.linalg.norm(mine) * np.linalg.norm(theirs)
        return float(mine @ theirs / norms) if norms > 0 else float(np.array_equal(mine, theirs))

    def is_same_model(self, other: EmbeddingFingerprint) -> bool:
        """Tells whether vectors of the two models can be compared."""
        return self.similarity(other) >= _SAME
