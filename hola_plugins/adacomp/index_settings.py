"""Settings of the vector index."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

IndexKind = Literal["flat", "ivf", "hnsw"]


class IndexSettings(BaseModel):
    """How vectors are searched. Similarity is always the cosine: vectors are normalised when they come in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: IndexKind = "flat"
    """flat: exact, 2 ms for 20,000 vectors; ivf and hnsw: approximate, worth it past about 100,000 vectors."""

    lists: int = Field(default=128, ge=1, le=1 << 20)
    """ivf: clusters. Searched exactly until there are 39 vectors a cluster to train them on."""

    probes: int = Field(default=8, ge=1, le=1 << 20)
    """ivf: clusters visited by one search, before the factor that a call gives."""

    links: int = Field(default=32, ge=2, le=512)
    """hnsw: neighbours a vector has in the graph; twice as many on its lowest layer."""

    ef_construction: int = Field(default=80, ge=1, le=1 << 16)
    """hnsw: candidates kept while a vector is linked in."""

    ef_search: int = Field(default=64, ge=1, le=1 << 16)
    """hnsw: candidates kept by one search, before the factor that a call gives."""
