"""A small real embedding model: counts of words, hashed into a few dimensions. Another salt, another model."""

from __future__ import annotations

import zlib

import numpy as np
from langchain_core.embeddings import Embeddings


class HashedWords(Embeddings):
    def __init__(self, dimension=64, salt=""):
        self.dimension, self.salt = dimension, salt

    def embed_query(self, text):
        vector = np.zeros(self.dimension)
        for word in text.lower().split():
            vector[zlib.crc32(f"{self.salt}{word}".encode(errors="surrogatepass")) % self.dimension] += 1
        return vector.tolist()

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]
