"""Vectors and texts for cost curves: as hard to search as real ones, made in seconds at any size."""

from __future__ import annotations

from dataclasses import dataclass

import faiss
import numpy as np
from langchain_core.embeddings import Embeddings

TOPICS = 1000


@dataclass(frozen=True, slots=True)
class Corpus:
    """Normalised vectors, float32[n, dimension], and the topic of each, int64[n]."""

    vectors: np.ndarray
    topics: np.ndarray

    def split(self, queries: int) -> tuple[Corpus, Corpus]:
        """Gives all but the last rows, and these."""
        return (
            Corpus(self.vectors[:-queries], self.topics[:-queries]),
            Corpus(self.vectors[-queries:], self.topics[-queries:]),
        )

    def text(self, row: int, words: int = 24) -> str:
        """Writes the text of a row: a third of its words are its topic's, the others are any."""
        rng = np.random.default_rng(row)
        own = rng.zipf(1.5, size=words // 3) % 50
        any_words = rng.zipf(1.3, size=words - words // 3) % 20_000
        return " ".join(
            [*(f"t{self.topics[row]}x{word}" for word in own), *(f"w{word}" for word in any_words)]
        )


def topical(count: int, dimension: int, seed: int) -> Corpus:
    """Makes a corpus of 1,000 topics.

    The n-th topic is as large as 1 / n; topics and most of the noise lie in a tenth of the dimensions' space, so
    that a vector's neighbours belong to many topics.
    """
    rng = np.random.default_rng(seed)
    latent = max(2, dimension // 10)
    sizes = 1.0 / np.arange(1, TOPICS + 1)
    axes = rng.normal(size=(latent, dimension)).astype(np.float32) / np.sqrt(np.float32(dimension))
    topics = rng.normal(size=(TOPICS, latent)).astype(np.float32)
    chosen = rng.choice(TOPICS, size=count, p=sizes / sizes.sum())
    places = topics[chosen]
    places += 1.2 * rng.standard_normal(size=places.shape, dtype=np.float32)
    vectors = places @ axes
    for first in range(0, count, 50_000):
        part = vectors[first : first + 50_000]
        part += np.float32(0.1) * rng.standard_normal(size=part.shape, dtype=np.float32)
    faiss.normalize_L2(vectors)
    return Corpus(vectors, chosen)


class StoredVectors(Embeddings):
    """Gives vectors made before for the queries' texts, so that no time goes into embedding."""

    def __init__(self, queries: Corpus) -> None:
        self.texts = [queries.text(row, words=9) for row in range(len(queries.vectors))]
        self._vectors = {
            text: vector.tolist() for text, vector in zip(self.texts, queries.vectors, strict=True)
        }

    def embed_query(self, text: str) -> list[float]:
        """Looks a query up."""
        return self._vectors[text]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Looks several up."""
        return [self._vectors[text] for text in texts]
