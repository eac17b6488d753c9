"""What a retriever learns and remembers, shared by the copies that LangChain makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings

from hola_plugins.adacomp.calibration import Calibration
from hola_plugins.langchain.compressor import SentenceCompressor
from hola_plugins.langchain.sources import Source


class RetrieverState:
    """The calibration and the opened sources; LangChain rebuilds a configured retriever for every call.

    Attributes:
        calibration: The present one; None before the first.
    """

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.calibration = calibration
        self._lock = threading.Lock()
        self._sources: dict[Any, Source] = {}
        self._compressors: dict[Any, SentenceCompressor] = {}

    def source(self, key: Any, make: Callable[[], Source]) -> Source:
        """Gives the source opened under a key; opens it once."""
        with self._lock:
            if key not in self._sources:
                self._sources[key] = make()
            return self._sources[key]

    def compressor(
        self, budget: int, length: Callable[[str], int], embeddings: Embeddings | None
    ) -> SentenceCompressor:
        """Gives the compressor of these settings, so that it remembers its sentences."""
        with self._lock:
            key = (budget, length, id(embeddings))
            if key not in self._compressors:
                self._compressors[key] = SentenceCompressor(
                    token_budget=budget, length_function=length, embeddings=embeddings
                )
            return self._compressors[key]
