"""Standard output without what a C library leaves there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def c_output_dropped() -> Iterator[None]:
    """Drops what is written to the process' standard output meanwhile, below Python's.

    HiGHS 1.12 (in SciPy 1.17) writes a line of its own there whatever it is told (jump-dev/HiGHS.jl#312).
    """
    try:
        kept = os.dup(1)
    except OSError:  # a process without standard output
        yield
        return
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
