"""Files cut into passages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hola_plugins.corpus.files import MARKDOWN_SUFFIXES, Page, SourceFile

_READING = 2
"""Number of the way in which files are read and cut: an index made in another way is made anew, once."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One passage of a file.

    Attributes:
        id: The file's name, the place in it, and the file's version.
        text: The passage.
        metadata: `source`, the file's name; `version`; `part` of `parts`; `page`, where the file has pages.
    """

    id: str
    text: str
    metadata: dict[str, Any]


def version_of(digest: str, size: int) -> str:
    """Names what a file's passages follow from: its content, how it is read and cut; 16 hexadecimal digits."""
    return hashlib.sha256(f"{_READING} {digest} {size}".encode()).hexdigest()[:16]


def split(file: SourceFile, version: str, pages: Iterable[Page], size: int) -> list[Chunk]:
    """Cuts a file where its structure allows: at headings, paragraphs, lines, then words.

    Args:
        file: The file.
        version: See `version_of`.
        pages: Its text.
        size: Most characters of a passage.
    """
    splitter = _splitter(file, size)
    parts = [(text, page.number) for page in pages for text in splitter.split_text(page.text)]
    return [
        Chunk(
            id=f"{file.name}#{number}@{version}",
            text=text,
            metadata={"source": file.name, "version": version, "part": number, "parts": len(parts)}
            | ({} if page is None else {"page": page}),
        )
        for number, (text, page) in enumerate(parts, 1)
    ]


def _splitter(file: SourceFile, size: int) -> Any:
    try:
        from langchain_text_splitters import Language, RecursiveCharacterTextSplitter
    except ImportError as error:
        message = "'langchain-text-splitters' is not installed. Install it with: pip install 'hola-plugins[langchain]'"
        raise ImportError(message) from error
    if file.path.suffix.lower() in MARKDOWN_SUFFIXES:
        return RecursiveCharacterTextSplitter.from_language(
            Language.MARKDOWN, chunk_size=size, chunk_overlap=0
        )
    return RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=0)
