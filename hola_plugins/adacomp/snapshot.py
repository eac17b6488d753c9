"""Everything in a store of passages at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.source import Float32


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a store, and what was computed from it.

    Attributes:
        settings: Kind of index.
        passages: The passages, in the order of their vectors.
        vectors: Normalised, float32[len(passages), dimension].
        arrays: What `FaissIndex.restore` needs besides.
        lexical: What `LexicalIndex.restore` needs; None has it built anew.
    """

    settings: IndexSettings
    passages: tuple[Passage, ...]
    vectors: Float32
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    lexical: Mapping[str, NDArray[Any]] | None = None
