"""The libraries that vLLM on a CPU wants preloaded: Intel's OpenMP and tcmalloc."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

LIBRARIES = {"libtcmalloc": ("tcmalloc_minimal", "tcmalloc"), "libiomp5": ("iomp5",)}
"""File name stem of each library, and the names under which the system's linker may know it."""


def find_libraries() -> dict[str, str]:
    """Finds the libraries, in this environment first.

    Returns:
        The path (or the name that the system's linker resolves) of each library that was found, by stem.
    """
    found: dict[str, str] = {}
    for stem, names in LIBRARIES.items():
        files = (path for folder in _library_folders() for path in sorted(folder.glob(f"{stem}*.so*")))
        candidates = filter(_can_be_preloaded, map(str, files))
        known = (location for name in names if (location := ctypes.util.find_library(name)))
        location = next(candidates, None) or next(known, None)
        if location is not None:
            found[stem] = location
    return found


def preload_value(environment: Mapping[str, str] = os.environ) -> str:
    """Gives the value for LD_PRELOAD: what is set already and the found libraries that it lacks."""
    present = environment.get("LD_PRELOAD", "")
    missing = [location for stem, location in find_libraries().items() if stem not in present]
    return ":".join(part for part in (*missing, present) if part)


def _can_be_preloaded(path: str) -> bool:
    """Tells whether the loader can read a path in LD_PRELOAD, which it splits at blanks and colons."""
    return not any(sign.isspace() or sign == ":" for sign in path)


def _library_folders() -> Iterator[Path]:
    """Gives the folders of this environment that may hold the libraries."""
    yield Path(sys.prefix) / "lib"
    spec = importlib.util.find_spec("vllm")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location) / "libs"
