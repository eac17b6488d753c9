"""Filters on metadata, as LangChain's users write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from langchain_core.documents import Document

from hola_plugins.adacomp.passage import Passage
from hola_plugins.langchain.sources import as_document

MetadataFilter: TypeAlias = Mapping[str, Any] | Callable[[Document], bool]
"""Metadata that must be equal (or, against a list, set or tuple, among its values); or any test."""

_MISSING = object()


def passing(passages: Iterable[Passage], wanted: MetadataFilter) -> list[Passage]:
    """Gives the passages that a filter lets through.

    A mapping is compared with the metadata where it lies; a function gets one document after another, each a copy.

    Raises:
        TypeError: Neither a mapping nor callable.
        ValueError: An operator in a mapping.
    """
    check_filter(wanted)
    if not isinstance(wanted, Mapping):
        return [one for one in passages if wanted(as_document(one))]
    left = list(passages)
    for key, value in wanted.items():
        choices = _choices(value)
        left = [one for one in left if one.metadata.get(key, _MISSING) in choices]
    return left


def check_filter(wanted: MetadataFilter) -> None:
    """Checks that a filter is one.

    Raises:
        TypeError: Neither a mapping nor callable.
        ValueError: An operator, such as `$gte`, in a mapping.
    """
    if isinstance(wanted, Mapping):
        _check_no_operator(wanted)
    elif not callable(wanted):
        raise TypeError(
            "filter must be a mapping such as {'source': 'a.md'} or a function of a document, "
            f"got {wanted!r}"
        )


def _check_no_operator(wanted: Mapping[str, Any]) -> None:
    compared = [value for value in wanted.values() if isinstance(value, Mapping)]
    for key in (key for mapping in (wanted, *compared) for key in mapping):
        if isinstance(key, str) and key.startswith("$"):
            raise ValueError(
                "filter must be a mapping of metadata to the values wanted, or a function, got the operator "
                f"{key!r}: give a function such as lambda document: document.metadata['page'] >= 20"
            )


def _choices(wanted: Any) -> tuple[Any, ...]:
    """Gives the values of a field that a filter lets through."""
    return (wanted, *wanted) if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
