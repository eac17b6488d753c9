"""Keeps the BM25 index of a store until its content changes."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from hola_plugins.adacomp.lexical import LexicalIndex


class LexicalCache:
    """The newest BM25 index, built at most once a change; safe to share between threads.

    Args:
        revision: Revision of the content that ``index`` is of.
        index: An index there is already.
    """

    def __init__(self, revision: int = 0, index: LexicalIndex | None = None) -> None:
        self._lock = threading.Lock()
        self._revision = revision
        self._index = index

    def get(self, revision: int, texts: Mapping[str, str]) -> LexicalIndex:
        """Gives the index of these texts, which are the content at this revision."""
        with self._lock:
            if self._index is None or self._revision != revision:
                self._index = LexicalIndex(texts)
                self._revision = revision
            return self._index
