"""Embeddings of sentences, each made once while it is remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from hola_plugins.adacomp.source import Float32

_REMEMBERED = 4096
"""Sentences whose embeddings are kept."""


class SentenceVectors:
    """The embeddings of the sentences seen last, by model, for any number of threads; a copy begins empty."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[int, str], tuple[Embeddings, Float32]] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_vectors": OrderedDict()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def embed(self, sentences: Sequence[str], embeddings: Embeddings) -> Float32:
        """Gives one vector a sentence, float32[n, d]; embeds those that are not remembered, in one call."""
        model = id(embeddings)  # its own as long as an entry holds the model
        with self._lock:
            known = {s: self._vectors[model, s][1] for s in sentences if (model, s) in self._vectors}
        missing = [s for s in dict.fromkeys(sentences) if s not in known]
        if missing:
            made = np.asarray(embeddings.embed_documents(missing), dtype=np.float32)
            if not np.isfinite(made).all():
                raise ValueError(
                    "the embedding model must give finite numbers, got NaN or infinity for a sentence"
                )
            known.update((s, vector.copy()) for s, vector in zip(missing, made, strict=True))
        with self._lock:
            for sentence in sentences:
                self._vectors[model, sentence] = (embeddings, known[sentence])
                self._vectors.move_to_end((model, sentence))
            while len(self._vectors) > _REMEMBERED:
                self._vectors.popitem(last=False)
        return np.stack([known[sentence] for sentence in sentences])
