"""Feeds files grown by coverage (atheris) to one reader; only this package's own errors may come out.

    python tests/fuzz/fuzz_files.py pilot -max_total_time=60

Run by hand; the readers are `TARGETS`. What breaks one is written to the working folder as crash-<hash>.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hola_plugins", "yaml", "json", "numpy.lib"]):
    from hola_plugins.adacomp import calibration_file
    from hola_plugins.adacomp.injection import injection_marks
    from hola_plugins.adacomp.manifest import read_manifest
    from hola_plugins.adacomp.passage_lines import read_passages
    from hola_plugins.corpus.files import UnreadableFileError, read_pages
    from hola_plugins.corpus.settings import read_settings
    from hola_plugins.files.array_file import read_array
    from hola_plugins.hsd.config import load_config
    from hola_plugins.hsd.report import render_snapshot
    from hola_plugins.lobi.calibration_file import read_documents
    from hola_plugins.lobi.stock_recipe import stock_recipe
    from hola_plugins.pilot.config import PilotConfig
    from hola_plugins.pilot.config_file import ConfigError, read_config
    from hola_plugins.pilot.workload import read_prompts, read_queries
    from hola_plugins.stats import read_last_line
    from hola_plugins.tune.config import TuneConfig


def _passages(path: Path) -> None:
    with path.open("rb") as file:
        read_passages(file, path)


def _numbers(path: Path) -> None:
    with path.open("rb") as file:
        read_array(file, path)


TARGETS: dict[str, tuple[str, Callable[[Path], object], type[Exception]]] = {
    "array": ("vectors.npy", _numbers, ValueError),
    "calibration": ("calibration.json", calibration_file.load, ValueError),
    "corpus": ("corpus.json", lambda path: read_settings(path.parent), ValueError),
    "counters": ("hsd.jsonl", lambda path: render_snapshot(read_last_line(path)), ValueError),
    "documents": ("data.json", read_documents, ValueError),
    "hsd": ("hsd.json", lambda path: load_config({"config_file": str(path)}), ValueError),
    "manifest": ("manifest.json", lambda path: read_manifest(path.parent), ValueError),
    "marks": ("a.txt", lambda path: injection_marks(path.read_text(errors="replace")), ValueError),
    "passages": ("docs.jsonl", _passages, ValueError),
    "pdf": ("a.pdf", read_pages, UnreadableFileError),
    "pilot": ("pilot.yaml", lambda path: read_config(path, PilotConfig), ConfigError),
    "prompts": ("data.jsonl", read_prompts, ValueError),
    "queries": ("data.jsonl", read_queries, ValueError),
    "recipe": ("recipe.yaml", stock_recipe, ValueError),
    "tune": ("tune.yaml", lambda path: read_config(path, TuneConfig), ConfigError),
}


def main() -> None:
    """Runs atheris on the reader that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz_files.py {'|'.join(TARGETS)} [options of libFuzzer]")
    name, read, refusal = TARGETS[sys.argv.pop(1)]
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)

        def try_once(content: bytes) -> None:
            path.write_bytes(content)
            with contextlib.suppress(refusal):
                read(path)

        atheris.Setup(sys.argv, try_once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
