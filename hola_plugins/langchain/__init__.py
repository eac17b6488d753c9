"""The door to LangChain: retriever, compressor, store and answer guard, each loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import langchain_core  # noqa: F401 - checked before the modules that need it
except ImportError as error:
    message = "'langchain-core' is not installed. Install it with: pip install 'hola-plugins[langchain]'"
    raise ImportError(message) from error

if TYPE_CHECKING:
    from hola_plugins.langchain.answer_guard import AnswerGuard
    from hola_plugins.langchain.compressor import SentenceCompressor
    from hola_plugins.langchain.faiss_store import FaissStore
    from hola_plugins.langchain.retriever import AdaCompRetriever

__all__ = ["AdaCompRetriever", "AnswerGuard", "FaissStore", "SentenceCompressor"]

_HOMES = {
    "AdaCompRetriever": "hola_plugins.langchain.retriever",
    "AnswerGuard": "hola_plugins.langchain.answer_guard",
    "FaissStore": "hola_plugins.langchain.faiss_store",
    "SentenceCompressor": "hola_plugins.langchain.compressor",
}
"""The module that defines each public name."""


def __getattr__(name: str) -> Any:
    """Loads a public name on first use and keeps it.

    Raises:
        AttributeError: If there is no such public name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names, loaded or not."""
    return sorted({*globals(), *__all__})
