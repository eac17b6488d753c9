"""`SentenceCompressor`: keeps the sentences worth their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, Field

from hola_plugins.adacomp.compression import CompressedPassage, compress
from hola_plugins.adacomp.fusion import made_up_similarities
from hola_plugins.adacomp.sentence_score import overlaps, score_sentences, smooth, standing
from hola_plugins.adacomp.sentences import split_sentences
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.words import approximate_tokens
from hola_plugins.langchain.sentence_vectors import SentenceVectors
from hola_plugins.langchain.sources import copy_of


class SentenceCompressor(BaseDocumentCompressor):
    """Cuts documents to a token budget by sentences: never over the budget, never out of order.

    A sentence is worth its similarity to the question (with embeddings), its document's score and the rare words
    that it shares with the question; neighbours of a good sentence gain. Documents that fit are left alone.

        compressor = SentenceCompressor(token_budget=400, embeddings=embeddings)
        ContextualCompressionRetriever(base_compressor=compressor, base_retriever=retriever)

    Raises:
        pydantic.ValidationError: A budget under 1.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    token_budget: int = Field(default=500, ge=1)
    """Most total length of the documents, in the unit of `length_function`."""

    length_function: Callable[[str], int] = approximate_tokens
    """Length of a text; by default an estimate of tokens, 1.3 a word."""

    embeddings: Embeddings | None = None
    """Embeds sentences; without it words alone decide."""

    metadata_key: str | None = Field(default="adacomp", min_length=1)
    """Key of the metadata that says what was kept; None leaves the metadata as they are."""

    sentence_vectors: SentenceVectors = Field(default_factory=SentenceVectors, repr=False)
    """Remembers the embeddings of the sentences seen last; compressors may share one."""

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Gives copies of the documents of which something is kept, in the order given.

        The documents are taken as ranked best first. Their metadata gets, under `metadata_key`, the places of
        the kept sentences and the lengths before and after.
        """
        priors = made_up_similarities(len(documents))
        return [
            shortened(documents[passage.row], passage, self.metadata_key)
            for passage in self.compress(query, [document.page_content for document in documents], priors)
        ]

    def compress(
        self, query: str, texts: Sequence[str], priors: Float32, vector: Float32 | None = None
    ) -> list[CompressedPassage]:
        """Chooses sentences.

        Args:
            query: The question.
            texts: The passages.
            priors: Fused score of each passage, best first, float32[len(texts)].
            vector: The embedded question; made if None and embeddings are there.
        """
        sentences = [split_sentences(text) for text in texts]
        if sum(self.length_function(text) for text in texts) <= self.token_budget:
            scores = [np.zeros(len(of_passage), np.float32) for of_passage in sentences]
        else:
            scores = self._scores(query, sentences, priors, vector)
        return compress(texts, sentences, scores, self.token_budget, self.length_function)

    def _scores(
        self, query: str, sentences: Sequence[Sequence[str]], priors: Float32, vector: Float32 | None
    ) -> list[Float32]:
        """Scores all sentences together, so that rarity is that among them all, and smooths within passages."""
        flat = [sentence for of_passage in sentences for sentence in of_passage]
        counts = [len(of_passage) for of_passage in sentences]
        similarity = self._similarity(query, flat, vector) if flat else None
        scores = score_sentences(similarity, np.repeat(standing(priors), counts), overlaps(query, flat))
        return [smooth(part) for part in np.split(scores, np.cumsum(counts)[:-1])] if counts else []

    def _similarity(self, query: str, sentences: Sequence[str], vector: Float32 | None) -> Float32 | None:
        """Gives the cosine of every sentence to the question; None without embeddings."""
        if self.embeddings is None:
            return None
        if vector is None:
            vector = np.asarray(self.embeddings.embed_query(query), dtype=np.float32)
        vectors = self.sentence_vectors.embed(sentences, self.embeddings)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector)
        similarity: Float32 = (vectors @ vector) / np.maximum(lengths, np.float32(1e-12))
        return similarity


def shortened(document: Document, passage: CompressedPassage, metadata_key: str | None) -> Document:
    """Gives a copy of a document with the kept sentences as its content and, under a key, what was kept."""
    copied = copy_of(document)
    copied.page_content = passage.text
    if metadata_key is None:
        return copied
    facts: dict[str, Any] = {
        "kept_sentences": list(passage.kept),
        "tokens_before": passage.original_length,
        "tokens_after": passage.length,
    }
    if passage.truncated:
        facts["truncated"] = True
    before = copied.metadata.get(metadata_key)
    copied.metadata[metadata_key] = {**before, **facts} if isinstance(before, dict) else facts
    return copied
