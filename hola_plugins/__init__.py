"""HOLA's methods as plugins for the tools that serve and build language models.

Every public name loads on first use: importing this package loads no third-party module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hola_plugins.langchain import AdaCompRetriever, AnswerGuard, FaissStore, SentenceCompressor
    from hola_plugins.llmcompressor import LoBiModifier
    from hola_plugins.vllm import HSDProposer

    __version__: str

__all__ = [
    "AdaCompRetriever",
    "AnswerGuard",
    "FaissStore",
    "HSDProposer",
    "LoBiModifier",
    "SentenceCompressor",
    "__version__",
]

_DISTRIBUTION = "hola-plugins"
_HOMES = {
    "AdaCompRetriever": "hola_plugins.langchain",
    "AnswerGuard": "hola_plugins.langchain",
    "FaissStore": "hola_plugins.langchain",
    "HSDProposer": "hola_plugins.vllm",
    "LoBiModifier": "hola_plugins.llmcompressor",
    "SentenceCompressor": "hola_plugins.langchain",
}
"""The module that defines each public name."""


def __getattr__(name: str) -> Any:
    """Loads a public name on first use and keeps it.

    Raises:
        AttributeError: If there is no such public name.
        ImportError: If the name needs a host that is not installed.
    """
    value: Any
    if name == "__version__":
        from importlib.metadata import version

        value = version(_DISTRIBUTION)
    elif name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
    else:
        message = f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
        raise AttributeError(message)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names, loaded or not."""
    return sorted({*globals(), *__all__})
