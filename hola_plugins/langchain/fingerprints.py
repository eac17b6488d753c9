"""Fingerprints of LangChain's embedding models."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from hola_plugins.adacomp.fingerprint import PROBE_TEXT, EmbeddingFingerprint

_NAME_FIELDS = ("model_name", "model", "model_id", "deployment")


def fingerprint(embedding: Embeddings) -> EmbeddingFingerprint:
    """Embeds the probe text, once, as a document."""
    return EmbeddingFingerprint(
        name=embedding_name(embedding), probe=tuple(map(float, embedding.embed_documents([PROBE_TEXT])[0]))
    )


def embedding_name(embedding: Embeddings) -> str:
    """Gives the class of a model and, where it tells, which model it is."""
    names = (getattr(embedding, field, None) for field in _NAME_FIELDS)
    name = next((name for name in names if isinstance(name, str)), "")
    return f"{type(embedding).__name__} {name}".strip()[:1000]
