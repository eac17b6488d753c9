"""Compare ways to compress a model at equal bytes: llmcompressor's own, mixtures by hand, AutoRound, ModelOpt, Lo-Bi.

Every checkpoint is made by the real `oneshot`, saved, loaded again by transformers and measured in float32 on text
that calibrated nothing: perplexity, and the KL divergence from the original. A budget is a percentage of the bytes of
the bf16 file, header included; the others' best at a budget is the closest of all whose file is no larger.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path

from compression_methods import METHODS
from compression_quiet import quiet
from required import require

_EPILOG = """\
methods:
  uniform      RTN and GPTQ, every scheme of --schemes in all layers
  awq          AWQ, the same; slow on a CPU, see --awq-grid
  mixtures     W8A8 in the first layers, the last layers or every down_proj, the rest in 4 bits; GPTQ
  autoround    AutoScheme's choice of bits by layer, rounded by GPTQ
  autoround_whole  AutoRound alone: its choice and its own learned rounding, as it comes; measured in memory
  modelopt     auto_quantize's choice, rounded by GPTQ; needs --modelopt-python
  lobi         LoBiModifier as it comes: bits by layer
  tuned        lobi and 100 steps of tuning what costs no byte
  unguarded    lobi without comparing plans on held-out text
  pruned       prune: auto with LoRA recovery, for budgets under the smallest plan of bits
  unrecovered  prune: auto without recovery
  none         nothing of these, for vLLM alone

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
        default=["W4A16", "W4A16_G32", "W8A8"],
        help="of the uniform ones, fewest bits first (default: W4A16,W4A16_G32,W8A8)",
    )
    add("--rows", type=int, default=128, help="rows of calibration text (default: 128)")
    add("--eval-rows", type=int, default=64, help="rows of evaluation text (default: 64)")
    add("--length", type=int, default=256, help="tokens of a row (default: 256)")
    add("--awq-grid", type=int, default=20, help="points that AWQ tries for each scale (default: 20)")
    add(
        "--float32-products",
        action="store_true",
        help="let llmcompressor multiply in float32: much faster without AVX-512; its times are then not its own",
    )
    add("--device", default="cpu", choices=("cpu", "cuda"), help="where vLLM would run it (default: cpu)")
    add("--modelopt-python", type=Path, metavar="PATH", help="Python of an environment with nvidia-modelopt")
    add("--serve-python", type=Path, metavar="PATH", help="Python of an environment with vLLM")
    add("--serve-budgets", type=_numbers, default=[60], help="Lo-Bi's budgets in vLLM, percent (default: 60)")
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
    names = [] if value == "none" else value.split(",")
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
    if args.png is not None:
        require("matplotlib")
    quiet()
    from compression_bench import measure

    with tempfile.TemporaryDirectory(prefix="compression-") as work:
        result = measure(args, Path(work))
    result["command"] = shlex.join(["python", *sys.argv])
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
