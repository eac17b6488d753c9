"""Compare ways to compress a model at equal bytes: llmcompressor's own, mixtures by hand, AutoRound, ModelOpt, Lo-Bi.

Every checkpoint is made by the real `oneshot`, saved, loaded again by transformers and measured in float32 on text
that calibrated nothing: perplexity, and the KL divergence from the original. A budget is a percentage of the bytes of
the bf16 file, header included; the others' best at a budget is the closest of all whose file is no larger.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import compression_host
from compression_jobs import METHODS, VARIANTS

_EPILOG = """\
methods:
  uniform      RTN, GPTQ and AWQ, every scheme of --schemes in all layers
  mixtures     W8A8 in the first layers, the last layers or every down_proj, the rest in 4 bits; GPTQ
  autoround    AutoScheme's choice of bits by layer, rounded by GPTQ
  modelopt     auto_quantize's choice, rounded by GPTQ; needs --modelopt-python
  lobi         LoBiModifier: bits alone
  unguarded    the same without comparing plans on held-out text
  recovered    the same after LoRA recovery
  pruned       prune: auto with LoRA recovery, for budgets under the smallest plan of bits
  unrecovered  prune: auto without recovery

examples:
  python tests/benchmarks/bench_compression.py --model models/small --calibration train.jsonl --eval test.jsonl \\
      --methods lobi,uniform,mixtures --budgets 45,50,60
  python tests/benchmarks/bench_compression.py --model a --calibration a.jsonl --eval a-test.jsonl \\
      --model b --calibration b.txt --eval b-test.txt --seeds 0,1,2 --results rows.jsonl --minutes 5

Text is JSON lines (question and answer, prompt and response, or text) or plain text with empty lines between
documents; give --calibration and --eval once for all models or once for each. With --results a run that was cut
short goes on where it was, and the last line covers all rows of the file; delete the file after a change of the code.

The last line of the output is one JSON object: every checkpoint ("curve"), the originals ("bf16"), memory and speed
("vllm"), lobi over the best of the others ("ratio_to_best", and "ratios" by method and rival), "targets", "skipped".
"""
_PACKAGES = ("llmcompressor", "compressed-tensors", "torch", "transformers", "auto-round", "peft", "scipy")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", type=Path, action="append", required=True, metavar="DIR", help="model folder, in bfloat16")
    add(
        "--calibration",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="text that calibrates",
    )
    add("--eval", type=Path, action="append", required=True, metavar="FILE", help="text that measures")
    add("--methods", type=_methods, default=list(METHODS), help=f"default: {','.join(METHODS)}")
    add("--budgets", type=_numbers, default=[30, 35, 40, 45, 50, 60], help="default: 30,35,40,45,50,60")
    add("--seeds", type=_seeds, default=[0, 1, 2], help="seeds of the calibration text (default: 0,1,2)")
    add(
        "--schemes",
        type=lambda value: value.split(","),
        default=["W4A16_CHANNEL", "W4A16", "W4A16_G32", "W8A8"],
        help="of the uniform ones, fewest bits first (default: W4A16_CHANNEL,W4A16,W4A16_G32,W8A8)",
    )
    add("--rows", type=int, default=128, help="rows of calibration text (default: 128)")
    add("--eval-rows", type=int, default=64, help="rows of evaluation text (default: 64)")
    add("--length", type=int, default=256, help="tokens of a row (default: 256)")
    add("--device", default="cpu", choices=("cpu", "cuda"), help="where vLLM would run it (default: cpu)")
    add("--modelopt-python", type=Path, metavar="PATH", help="Python of an environment with nvidia-modelopt")
    add("--serve-python", type=Path, metavar="PATH", help="Python of an environment with vLLM")
    add("--serve-budget", type=float, default=60.0, help="Lo-Bi's budget in vLLM, percent (default: 60)")
    add(
        "--widen",
        type=float,
        metavar="MS",
        help="first make a decode step cost MS milliseconds, see widen.py",
    )
    add("--rounds", type=int, default=5, help="rounds of timing in vLLM (default: 5)")
    add("--results", type=Path, metavar="FILE", help="JSON lines that keep every row, to go on from")
    add("--minutes", type=float, help="start no checkpoint after so many minutes")
    add("--png", type=Path, metavar="FILE", help="write the curve; needs matplotlib")
    return parser


def _numbers(value: str) -> list[float]:
    numbers = sorted({float(part) for part in value.split(",")})
    if not all(0 < number <= 100 for number in numbers):
        raise argparse.ArgumentTypeError(f"must be percentages over 0 and up to 100, got {value}")
    return numbers


def _seeds(value: str) -> list[int]:
    return [int(part) for part in value.split(",")]


def _methods(value: str) -> list[str]:
    names = value.split(",")
    if unknown := [name for name in names if name not in METHODS]:
        raise argparse.ArgumentTypeError(f"unknown {unknown}, allowed: {', '.join(METHODS)}")
    return names


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark, prints tables and the JSON line."""
    parser = build_parser()
    args = parser.parse_args(argv)
    for files, option in ((args.calibration, "--calibration"), (args.eval, "--eval")):
        if len(files) not in {1, len(args.model)}:
            parser.error(
                f"give {option} once, or once for each of the {len(args.model)} models; got {len(files)}"
            )
    compression_host.quiet()
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="compression-") as work:
        result = _measure(args, console, Path(work))
    print(json.dumps(result))
    return 0


def _texts(args: argparse.Namespace) -> Iterator[tuple[Path, Any]]:
    """Yields every model with its text."""
    from compression_text import Corpus

    for number, folder in enumerate(args.model):
        calibration, evaluation = (
            files[min(number, len(files) - 1)] for files in (args.calibration, args.eval)
        )
        yield folder, Corpus(calibration, evaluation)


def _measure(args: argparse.Namespace, console: Any, work: Path) -> dict[str, Any]:
    from rich.progress import Progress

    from compression_plan import run_model
    from compression_results import Results
    from compression_run import Clock
    from compression_subject import Subject
    from compression_summary import Summary
    from compression_tables import show

    results, clock = Results(args.results), Clock(args.minutes)
    with Progress(console=console, transient=True) as progress:
        for folder, corpus in _texts(args):
            subject = Subject(folder, corpus, args.rows, args.eval_rows, args.length, args.device)
            run_model(subject, args, results, clock, work, progress)
    summary = Summary(results, args.budgets)
    lobi = [name for name in VARIANTS if name in args.methods]
    show(console, summary, lobi, results.measured())
    if clock.left_out:
        console.print(f"[yellow]{clock.left_out} checkpoints left out[/]: run again with the same --results")
    if args.png:
        from compression_plot import plot

        plot(args.png, summary, results.measured())
    return _line(args, summary, _served(args, console, work), clock.left_out)


def _served(args: argparse.Namespace, console: Any, work: Path) -> dict[str, Any]:
    """Measures every model in vLLM, where an environment for it is given."""
    if args.serve_python is None:
        return {}
    from compression_run import FAILURES, reason_of
    from compression_served import measure_served

    found: dict[str, Any] = {}
    for folder, corpus in _texts(args):
        try:
            found[folder.name] = measure_served(
                folder, corpus, args.serve_python, args.serve_budget, args.widen, args.rounds, work
            )
        except FAILURES as error:
            found[folder.name] = {"skipped": reason_of(error)}
        console.print(f"vLLM, {folder.name}: {found[folder.name]}")
    return found


def _line(args: argparse.Namespace, summary: Any, vllm: dict[str, Any], left_out: int) -> dict[str, Any]:
    from compression_summary import BY_HAND
    from compression_targets import targets

    rivals = {"by hand": BY_HAND, "autoround": ("autoround",), "modelopt": ("modelopt",)}
    originals = {model: summary.original(model) for model in summary.models}
    return {
        "curve": summary.curve(),
        "bf16": {
            model: {"bytes": row.bytes, "perplexity": row.perplexity}
            for model, row in originals.items()
            if row
        },
        "vllm": vllm,
        "ratio_to_best": summary.ratio("lobi", BY_HAND),
        "ratios": {
            method: {name: summary.ratio(method, families) for name, families in rivals.items()}
            for method in VARIANTS
        },
        "targets": targets(summary),
        "skipped": summary.skipped(),
        "left_out": left_out,
        "command": shlex.join(["python", *sys.argv]),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    raise SystemExit(main())
