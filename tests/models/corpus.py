"""The text the default models learn from: Python's own library, its documentation, and generated exercises.

Everything is derived from the interpreter that runs this module and from seeded generators, so two runs under
the same Python build the same corpus. Whole files are held out for measuring; a held-out file feeds no
training document.
"""

import ast
import hashlib
import inspect
import random
import sysconfig
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import copying
import maths
import talk

MIX: dict[str, float] = {"code": 0.28, "prose": 0.12, "maths": 0.18, "copy": 0.32, "talk": 0.10}
"""Share of the training tokens by kind of text; the shares sum to one."""

KINDS = tuple(MIX)
CHUNK_CHARACTERS = 6_000
HELD_OUT_ONE_IN = 40
TESTS_ONE_IN = 8
SKIPPED_FOLDERS = {"site-packages", "dist-packages", "__pycache__", "pydoc_data", "encodings", "_bundled"}
TEST_FOLDERS = {"test", "tests", "idle_test"}


@dataclass(frozen=True, slots=True)
class Sources:
    """The raw text of one side of the split.

    Attributes:
        code: Stretches of source files, cut at line ends.
        functions: Dedented function definitions of 3 to 30 lines.
        prose: Docstrings and passages of the language reference.
        paragraphs: Single paragraphs of that prose, 80 to 700 characters, on one line.
    """

    code: tuple[str, ...]
    functions: tuple[str, ...]
    prose: tuple[str, ...]
    paragraphs: tuple[str, ...]


def read_sources(*, held_out: bool) -> Sources:
    """Read the standard library of the running interpreter.

    Args:
        held_out: True for the files kept for measuring, False for those trained on.

    Raises:
        FileNotFoundError: This interpreter carries no library source (a stripped or zipped installation).
    """
    code: list[str] = []
    functions: list[str] = []
    prose = [topic for name, topic in _topics() if _is_held_out(name) == held_out]
    for name, text in _library_files():
        if _is_held_out(name) != held_out:
            continue
        code.extend(_chunks(text))
        docstrings, definitions = _parse(text)
        functions.extend(definitions)
        prose.extend(docstrings)
    if not code:
        raise FileNotFoundError(
            f"no Python source under {sysconfig.get_paths()['stdlib']!r}: "
            "train with an interpreter whose library is unpacked"
        )
    prose = list(dict.fromkeys(prose))
    paragraphs = tuple(dict.fromkeys(part for text in prose for part in _paragraphs(text)))
    return Sources(tuple(code), tuple(dict.fromkeys(functions)), tuple(prose), paragraphs)


def stream(kind: str, sources: Sources, seed: int) -> Iterator[str]:
    """Yield documents of one kind without end, in an order fixed by the seed.

    Args:
        kind: One of `KINDS`.
        sources: Text to draw from.
        seed: Seed of the order and of every generated document.

    Raises:
        ValueError: The kind is unknown.
    """
    rng = random.Random(f"{kind}-{seed}")
    generators: dict[str, Callable[[], str]] = {
        "maths": lambda: maths.exercise_sheet(rng),
        "copy": lambda: copying.exercise(rng, sources.paragraphs, sources.functions),
        "talk": lambda: talk.document(rng),
    }
    if kind in generators:
        while True:
            yield generators[kind]()
    texts = {"code": sources.code, "prose": sources.prose}.get(kind)
    if texts is None:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    while True:
        yield from rng.sample(texts, len(texts))


def _is_held_out(name: str) -> bool:
    return _bucket(name, HELD_OUT_ONE_IN)


def _bucket(name: str, one_in: int) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % one_in == 0


def _library_files() -> Iterator[tuple[str, str]]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        name = "/".join(parts)
        if SKIPPED_FOLDERS.intersection(parts):
            continue
        if TEST_FOLDERS.intersection(parts) and not _bucket("tests " + name, TESTS_ONE_IN):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        if text.isascii():
            yield name, text


def _topics() -> Iterator[tuple[str, str]]:
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield name, topics[name].strip()


def _chunks(text: str) -> Iterator[str]:
    chunk: list[str] = []
    size = 0
    for line in text.splitlines(keepends=True):
        if size >= CHUNK_CHARACTERS and not line.startswith((" ", "\t", "\n")):
            yield "".join(chunk)
            chunk, size = [], 0
        chunk.append(line)
        size += len(line)
    if size > 40:
        yield "".join(chunk)


def _parse(text: str) -> tuple[list[str], list[str]]:
    docstrings: list[str] = []
    functions: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError:
        return docstrings, functions
    lines = text.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        docstring = ast.get_docstring(node)
        if docstring and len(docstring) > 60:
            docstrings.append(inspect.cleandoc(docstring))
        if isinstance(node, ast.FunctionDef) and 3 <= (node.end_lineno or 0) - node.lineno + 1 <= 30:
            functions.append(textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])))
    return docstrings, functions


def _paragraphs(text: str) -> Iterator[str]:
    for block in text.split("\n\n"):
        paragraph = " ".join(block.split())
        is_prose = paragraph[:1].isalpha() and paragraph.endswith((".", ":", "?")) and ">>>" not in paragraph
        if is_prose and 80 <= len(paragraph) <= 700:
            yield paragraph
