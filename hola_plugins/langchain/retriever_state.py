"""What a retriever learns and remembers, shared by the copies that LangChain makes of it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from hola_plugins.adacomp.calibration import Calibration
from hola_plugins.langchain.compressor import SentenceCompressor
from hola_plugins.langchain.listed_source import ScoreDirection
from hola_plugins.langchain.sentence_vectors import SentenceVectors

logger = logging.getLogger(__name__)

_STORES = 16
"""Vector stores whose direction of scores is kept."""


class RetrieverState:
    """The calibration and what was found out; LangChain rebuilds a configured retriever for every call.

    A deep copy, and what is unpickled, has the calibration of that moment and finds the rest out anew.

    Attributes:
        calibration: The present one; None before the first.
    """

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration
        self._sentence_vectors = SentenceVectors()
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._directions: OrderedDict[int, tuple[VectorStore, ScoreDirection]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_directions": OrderedDict()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _told=set())

    def direction(self, store: VectorStore) -> ScoreDirection:
        """Gives what is known of the scores of this very store; a store that is kept keeps its identity."""
        with self._lock:
            _, direction = self._directions.pop(id(store), (store, ScoreDirection()))
            self._directions[id(store)] = (store, direction)
            if len(self._directions) > _STORES:
                self._directions.popitem(last=False)
            return direction

    def warn_once(self, text: str) -> None:
        """Logs a warning the first time that it comes."""
        with self._lock:
            known = text in self._told
            self._told.add(text)
        if not known:
            logger.warning("%s", text)

    def compressor(
        self, budget: int, length: Callable[[str], int], embeddings: Embeddings | None
    ) -> SentenceCompressor:
        """Makes a compressor; all that it makes remember the same sentences."""
        return SentenceCompressor(
            token_budget=budget,
            length_function=length,
            embeddings=embeddings,
            sentence_vectors=self._sentence_vectors,
        )
