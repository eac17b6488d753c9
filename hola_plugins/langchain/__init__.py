"""The door to LangChain: `FaissStore`, a vector store without pickle."""

from __future__ import annotations

try:
    import langchain_core  # noqa: F401 - checked before the modules that need it
except ImportError as error:
    message = "'langchain-core' is not installed. Install it with: pip install 'hola-plugins[langchain]'"
    raise ImportError(message) from error

from hola_plugins.langchain.faiss_store import FaissStore

__all__ = ["FaissStore"]
