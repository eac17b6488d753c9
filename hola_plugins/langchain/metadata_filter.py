"""Filters on metadata, as LangChain's users write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from langchain_core.documents import Document

MetadataFilter: TypeAlias = Mapping[str, Any] | Callable[[Document], bool]
"""Metadata that must be equal (or, against a list, set or tuple, among its values); or any test."""

_MISSING = object()


def as_test(wanted: MetadataFilter) -> Callable[[Document], bool]:
    """Gives the test that a filter stands for.

    Raises:
        TypeError: Neither a mapping nor callable.
    """
    if isinstance(wanted, Mapping):
        return lambda document: all(
            _fits(document.metadata.get(key, _MISSING), value) for key, value in wanted.items()
        )
    if callable(wanted):
        return wanted
    raise TypeError(
        f"filter must be a mapping such as {{'source': 'a.md'}} or a function of a document, got {wanted!r}"
    )


def _fits(value: Any, wanted: Any) -> bool:
    """Compares one field."""
    if isinstance(wanted, list | tuple | set | frozenset):
        return value == wanted or any(value == one for one in wanted)
    return bool(value == wanted)
