"""What is added to a store: texts with their metadata and ids as passages, and in batches for the embedding model."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Sequence
from typing import Any

from hola_plugins.adacomp.passage import Passage


def passages_of(
    texts: list[str], metadatas: list[dict[str, Any]] | None, ids: Sequence[str | None] | None
) -> list[Passage]:
    """Pairs texts, metadata and ids; what was not given is made up.

    Raises:
        ValueError: Lists of different lengths.
    """
    for name, values in (("metadatas", metadatas), ("ids", ids)):
        if values is not None and len(values) != len(texts):
            raise ValueError(f"{len(texts)} texts need as many {name}, got {len(values)}")
    return [
        Passage(
            id=_id_text(ids[place] if ids else None),
            text=text,
            metadata=copy.deepcopy(metadatas[place] or {}) if metadatas else {},
        )
        for place, text in enumerate(texts)
    ]


def batches_of(passages: Sequence[Passage], size: int | None) -> list[list[str]]:
    """Gives the texts in lists of at most this size; None gives one list.

    Raises:
        ValueError: A size below 1.
    """
    if size is not None and size < 1:
        raise ValueError(f"batch_size must be at least 1, or None for one call, got {size}")
    texts = [passage.text for passage in passages]
    step = size or len(texts) or 1
    return [texts[start : start + step] for start in range(0, len(texts), step)]


def _id_text(given: object) -> str:
    """Gives an id as the text that LangChain makes of it; makes one up where there is none."""
    return str(uuid.uuid4()) if given is None or given == "" else str(given)
