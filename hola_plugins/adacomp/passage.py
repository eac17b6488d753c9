"""A passage: what is found, kept and shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Passage:
    """One stored text.

    Attributes:
        id: Name, unique in a store.
        text: The text.
        metadata: What the caller attached; never changed by a store.
    """

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
