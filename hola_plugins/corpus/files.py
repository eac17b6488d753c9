"""Text out of files: plain text, markdown and PDF."""

from __future__ import annotations

import codecs
import hashlib
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hola_plugins.files.input_file import MIB, InputFileError, read_bytes

if TYPE_CHECKING:
    from pypdf import PdfReader

logger = logging.getLogger(__name__)

TEXT_SUFFIXES = (".txt", ".text", ".rst")
MARKDOWN_SUFFIXES = (".md", ".markdown")
PDF_SUFFIX = ".pdf"
SUFFIXES = (*TEXT_SUFFIXES, *MARKDOWN_SUFFIXES, PDF_SUFFIX)


TEXT_BYTES = 32 * MIB
"""Most bytes of a text file, and most characters out of a PDF: the Bible has 4 MiB."""

PDF_BYTES = 512 * MIB
"""Most bytes of a PDF, pictures included."""

_PDF_SECONDS = 600.0
"""Time after which no further page of a PDF is read; pypdf bounds what one page may cost."""


class UnreadableFileError(ValueError):
    """A file that gives no text; the message says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """Text of a file, or of one page of it.

    Attributes:
        text: The text.
        number: Page from 1 on; None for files without pages.
        doubt: Why the text may be wrong; None where nothing speaks for it.
    """

    text: str
    number: int | None = None
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to index.

    Attributes:
        name: Path from the indexed folder, with forward slashes.
        path: Where it lies.
        size: Its bytes.
    """

    name: str
    path: Path
    size: int

    def digest(self) -> str:
        """Gives the SHA-256 of the content, in hexadecimal."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def find_files(folder: Path, include: Sequence[str] = ()) -> list[SourceFile]:
    """Finds the files to index, by name; hidden ones, and links that lead out of the folder or nowhere, are left out.

    Args:
        folder: Where to look, at any depth.
        include: Patterns such as `*.md` or `guide/*`, of which one must fit; empty allows all that can be read.

    Raises:
        ValueError: No folder.
        OSError: A folder in it that cannot be listed: its files must not be taken for gone.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: give the folder that holds your documents")
    root = folder.resolve()
    found = []
    for place, folders, names in os.walk(root, onerror=_stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(place, name)
            relative = path.relative_to(root).as_posix()
            wanted = not include or any(fnmatch(relative, pattern) for pattern in include)
            if (
                wanted
                and not name.startswith(".")
                and path.suffix.lower() in SUFFIXES
                and _is_inside(path, root)
            ):
                found.append(SourceFile(relative, path, path.stat().st_size))
    return sorted(found, key=lambda file: file.name)


def read_pages(path: Path) -> list[Page]:
    """Reads the text of a file; pages without any are left out.

    Raises:
        UnreadableFileError: No text at all, binary or damaged content, more of it than is read, a password, or a
            library that is missing.
        OSError: It cannot be read.
    """
    is_pdf = path.suffix.lower() == PDF_SUFFIX
    pages = [page for page in (_read_pdf(path) if is_pdf else [_read_text(path)]) if page.text.strip()]
    if not pages:
        raise UnreadableFileError(
            "no text in it" + (" (a scan?): recognise its text first" if is_pdf else "")
        )
    return pages


def _stop(error: OSError) -> NoReturn:
    raise error


def _is_inside(path: Path, root: Path) -> bool:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself, before Python 3.13
        logger.warning("%r is left out: %s", path.relative_to(root).as_posix(), error)
        return False
    return target.is_file() and target.is_relative_to(root)


def _read_text(path: Path) -> Page:
    """Reads UTF-8, with or without a mark, and UTF-16 with one; anything else with a doubt."""
    try:
        content = read_bytes(path, TEXT_BYTES)
    except InputFileError as error:
        raise UnreadableFileError(str(error)) from None
    page = _decoded(content)
    if "\0" in page.text[:8192]:
        raise UnreadableFileError("binary content in a text file")
    return page


def _decoded(content: bytes) -> Page:
    """Decodes a text; one of which UTF-8 would lose more signs than it gives beyond ASCII is taken for Windows-1252.

    Some pairs of signs in Windows-1252, such as a sharp s before a closing quote, happen to be UTF-8.
    """
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return Page(content.decode("utf-16" if is_utf_16 else "utf-8-sig"))
    except UnicodeDecodeError as error:
        place = error.start + 1
    if is_utf_16:
        raise UnreadableFileError(f"damaged UTF-16 at byte {place}: save it as UTF-8")
    text, given = (content.decode("utf-8-sig", errors=errors) for errors in ("replace", "ignore"))
    if len(text) - len(given) > len(given) - len(given.encode("ascii", "ignore")):
        doubt = f"no UTF-8 at byte {place}, read as Windows-1252: save it as UTF-8 if letters are wrong"
        return Page(content.decode("cp1252", errors="replace"), doubt=doubt)
    return Page(text, doubt=f"damaged UTF-8 from byte {place} on: its letters there are lost")


def _read_pdf(path: Path) -> list[Page]:
    try:
        from pypdf import PdfReader
    except ImportError as error:
        message = "PDF files need pypdf. Install it with: pip install 'hola-plugins[langchain]'"
        raise UnreadableFileError(message) from error
    if path.stat().st_size > PDF_BYTES:
        raise UnreadableFileError(f"a PDF of more than {PDF_BYTES // MIB} MiB: split it")
    try:
        return _pages(PdfReader(path))
    except UnreadableFileError:
        raise
    except Exception as error:  # pypdf ends a damaged file with whatever its parser fell over
        raise UnreadableFileError(f"no readable PDF ({type(error).__name__}: {error})") from error


def _pages(reader: PdfReader) -> list[Page]:
    """Reads the pages; halves of characters, which no encoding holds, become question marks."""
    pages, characters, deadline = [], 0, time.monotonic() + _PDF_SECONDS
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text().encode(errors="replace").decode()
        pages.append(Page(text, number))
        characters += len(text)
        if characters > TEXT_BYTES or time.monotonic() > deadline:
            raise UnreadableFileError(
                f"more than {TEXT_BYTES // MIB} MiB of text, or over {_PDF_SECONDS / 60:.0f} minutes of reading, up to "
                f"page {number}: split it"
            )
    return pages
