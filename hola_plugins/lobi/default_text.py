"""Calibration text for whoever gives none: Python's own documentation and library, which every Python carries.

It differs from one Python to another, and with what of the library a user may read: `digest` tells two of them apart.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from hola_plugins.lobi.calibration_file import pieces
from hola_plugins.lobi.config import LoBiError

NAME = "Python's documentation and library"
_SKIPPED = {"site-packages", "dist-packages", "__pycache__", "pydoc_data", "encodings", "test", "tests"}


def default_documents() -> list[str]:
    """Gives pieces of the language reference (prose) and as many of the standard library's source (code).

    Raises:
        LoBiError: If this Python carries neither.
    """
    prose = [piece for topic in _topics() for piece in pieces(topic)]
    code = [piece for file in _library() for piece in pieces(file)]
    if not prose and not code:
        raise LoBiError(
            "this Python carries neither its documentation nor its library's source: give calibration data"
        )
    step = max(1, len(code) // len(prose)) if prose else 1
    return prose + code[::step]


def digest(documents: Sequence[str]) -> str:
    """Gives the SHA-256 of documents, in hexadecimal; where one ends counts."""
    found = sha256()
    for document in documents:
        text = document.encode()
        found.update(len(text).to_bytes(8) + text)
    return found.hexdigest()


def _topics() -> Iterator[str]:
    """Yields the topics of Python's language reference."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return
    for name in sorted(topics):
        yield topics[name]


def _library() -> Iterator[str]:
    """Yields the source files of the standard library."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if not _SKIPPED.intersection(path.relative_to(root).parts):
            yield path.read_text(encoding="utf-8", errors="replace")
