"""The whole run: every model in turn, the tables, the curve, vLLM, and the object of the last line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from compression_methods import BY_HAND, RIVALS, VARIANTS
from compression_plan import run_model
from compression_plot import plot
from compression_results import Results
from compression_run import FAILURES, Clock, reason_of
from compression_served import measure_served
from compression_subject import Subject
from compression_summary import Summary
from compression_tables import show
from compression_targets import targets
from compression_text import Corpus
from package_versions import package_versions

_PACKAGES = ("llmcompressor", "compressed-tensors", "torch", "transformers", "auto-round", "peft", "scipy")


def measure(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Runs what is asked for and prints the tables.

    Args:
        args: Options of the command line.
        work: Folder for what is written on the way.

    Returns:
        The object of the last line.
    """
    console = Console(width=None if sys.stdout.isatty() else 150)
    results, clock = Results(args.results), Clock(args.minutes)
    with Progress(console=console, transient=True) as progress:
        for folder, corpus in _texts(args) if args.methods else ():
            subject = Subject(folder, corpus, args.rows, args.eval_rows, args.length, args.device)
            run_model(subject, args, results, clock, work, progress)
    summary = Summary(results, args.budgets)
    show(console, summary, [name for name in VARIANTS if name in args.methods])
    if clock.left_out:
        console.print(f"[yellow]{clock.left_out} checkpoints left out[/]: run again with the same --results")
    if args.png:
        plot(args.png, summary)
    return _line(summary, _served(args, console, work)) | {"left_out": clock.left_out}


def _texts(args: argparse.Namespace) -> Iterator[tuple[Path, Corpus]]:
    """Yields every model with its text."""
    for number, folder in enumerate(args.model):
        calibration, evaluation = (
            files[min(number, len(files) - 1)] for files in (args.calibration, args.eval)
        )
        yield folder, Corpus(calibration, evaluation)


def _served(args: argparse.Namespace, console: Console, work: Path) -> dict[str, Any]:
    """Measures every model in vLLM, where an environment for it is given."""
    found: dict[str, Any] = {}
    for folder, corpus in _texts(args) if args.serve_python else ():
        try:
            found[folder.name] = measure_served(
                folder, corpus, args.serve_python, args.serve_budgets, args.widen, args.rounds, work
            )
        except FAILURES as error:
            found[folder.name] = {"skipped": reason_of(error)}
        console.print(f"vLLM, {folder.name}: {found[folder.name]}")
    return found


def _line(summary: Summary, vllm: dict[str, Any]) -> dict[str, Any]:
    originals = {model: row for model in summary.models if (row := summary.original(model))}
    return {
        "curve": summary.curve(),
        "bf16": {
            model: {"bytes": row.bytes, "perplexity": row.perplexity} for model, row in originals.items()
        },
        "vllm": vllm,
        "ratio_to_best": summary.ratio("lobi", BY_HAND),
        "ratios": {
            method: {name: summary.ratio(method, families) for name, families in RIVALS.items()}
            for method in VARIANTS
        },
        "targets": targets(summary),
        "skipped": summary.skipped(),
        "versions": package_versions(_PACKAGES),
    }
