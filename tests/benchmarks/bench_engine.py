"""Compare drafting methods on the real vLLM, interleaved in one run.

Every method gets its own engine in its own process. All are loaded before anything is timed; then one engine runs at a
time while the others are stopped, in an order that rotates from cell to cell, on the same prompts. So a slow minute of
the machine hits all methods alike, and ratios are taken inside a round.

Decoding is greedy, with exactly --tokens new tokens a request (end-of-text ignored), without detokenising, and with
prefix caching off, so that rounds are comparable. No prompt is used twice, and every output is compared with that of
`none`, token for token; the engine of `none` then tells whether a difference is a tie of two tokens (column
"differ/tied") or an error (exit status 1).
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from engine_methods import METHODS, EngineSetup, parse_tokens
from engine_plan import TooFewPromptsError, load_prompts, plan
from engine_pool import Pool, WorkerError
from engine_report import Ledger
from engine_run import cpu_facts, run_cell, save_outputs, start_engines, usable_cpus

_EPILOG = """\
methods:
  none         vLLM without speculation: the reference for speed and for the outputs
  empty        a custom proposer that drafts nothing: what the custom_class door alone costs
  ngram        vLLM's prompt lookup (2 to 4 tokens)
  suffix       vLLM's suffix decoding; needs arctic-inference, else it is reported as skipped
  draft_model  vLLM's small draft model; needs --draft
  hsd          hola_plugins.vllm.HSDProposer; settings with --hsd
  hsd_intermediate  the same with the draft model of --draft as its intermediate level
  hsd_other    the same with the settings of --hsd-other, to compare two in one run

examples:
  python tests/benchmarks/workloads.py --data data --out /tmp/prompts --count 160
  python tests/benchmarks/bench_engine.py --model models/target --draft models/draft --widen 15 \\
      --prompts /tmp/prompts/{copy,maths,story}.jsonl --batch 1,8 --num-speculative-tokens 4,hsd=8

The last line of the output is one JSON object: tokens/s by workload and method at the least batch ("workloads",
"mixed"), everything at every batch ("batches"), ratios paired inside a round ("ratios": over none, over empty and over
the better of ngram and suffix, "ngram_or_suffix"), "equal", "methods", "command", "versions".
"""


_USUAL = tuple(name for name in METHODS if name != "hsd_other")
_QUIET = 0.85
"""Share of its CPUs below which an engine was disturbed."""


def _numbers(value: str) -> list[int]:
    numbers = [int(part) for part in value.split(",")]
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"must be >= 1, got {value}")
    return sorted(set(numbers))


def _methods(value: str) -> list[str]:
    names = value.split(",")
    if unknown := [name for name in names if name not in METHODS]:
        raise argparse.ArgumentTypeError(f"unknown {unknown}, allowed: {', '.join(METHODS)}")
    return names


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True, help="target model folder")
    add(
        "--prompts",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="prompt files, see workloads.py",
    )
    add(
        "--draft", help="draft model folder for draft_model and hsd_intermediate, with the target's tokenizer"
    )
    add(
        "--widen",
        type=float,
        metavar="MS",
        help="first make the target cost MS milliseconds a step, see widen.py",
    )
    add("--batch", type=_numbers, default=[1, 8, 32], help="requests in flight (default: 1,8,32)")
    add("--methods", type=_methods, default=list(_USUAL), help=f"default: {','.join(_USUAL)}")
    add("--tokens", type=int, default=128, help="new tokens a request (default: 128)")
    add("--rounds", type=int, default=3, help="rounds (default: 3)")
    add(
        "--requests",
        type=int,
        default=4,
        help="least requests a cell; a larger batch gets one a slot (default: 4)",
    )
    add(
        "--num-speculative-tokens",
        type=parse_tokens,
        default=parse_tokens("4"),
        metavar="K",
        help='draft length, for all or by method: "4" or "4,hsd=8" (default: 4)',
    )
    add(
        "--hsd",
        type=json.loads,
        metavar="JSON",
        help='settings of hsd, passed as additional_config["hola"]["hsd"]',
    )
    add("--hsd-other", type=json.loads, metavar="JSON", help="settings of hsd_other, which needs them")
    add("--repeat-prompts", action="store_true", help="let prompts come again when a file is too short")
    add(
        "--outputs",
        type=Path,
        metavar="FILE",
        help="save prompt and output ids of none as JSON lines, for replays",
    )
    add("--max-model-len", type=int, default=2_048, help="context length, cut to the model's (default: 2048)")
    add("--compile", action="store_true", help="let vLLM compile the model (default: enforce_eager)")
    add(
        "--dtype",
        choices=("bfloat16", "float32"),
        default="bfloat16",
        help="float32 has next to no ties: use it to prove equality (default: bfloat16)",
    )
    add("--sync", action="store_true", help="forbid asynchronous scheduling to none as well")
    add("--kv-mib", type=int, default=1_024, help="KV cache of each engine in MiB (default: 1024)")
    add("--threads", type=int, default=0, help="CPUs an engine computes on (default: all)")
    add(
        "--preload",
        default=None,
        metavar="PATHS",
        help="LD_PRELOAD of the engines (default: libiomp5, tcmalloc if found)",
    )
    return parser


def setup_of(args: argparse.Namespace, model: str) -> EngineSetup:
    """What all engines of the run share."""
    config = json.loads((Path(model) / "config.json").read_text(encoding="utf-8"))
    return EngineSetup(
        model=model,
        draft=args.draft,
        max_model_len=min(args.max_model_len, int(config.get("max_position_embeddings", args.max_model_len))),
        max_num_seqs=max(args.batch),
        kv_bytes=args.kv_mib << 20,
        eager=not args.compile,
        hsd=args.hsd,
        hsd_other=args.hsd_other,
        dtype=args.dtype,
        async_scheduling=False if args.sync else None,
    )


def measure(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        The object of the last line.
    """
    from transformers import AutoTokenizer

    model = args.model
    if args.widen:
        from widen import widen

        model = str(widen(Path(args.model), args.widen))
    setup = setup_of(args, model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    room = setup.max_model_len - args.tokens - max(args.num_speculative_tokens.values()) - 1
    loaded = {path.stem: load_prompts(path, tokenizer, room) for path in args.prompts}
    warm, cells = plan(
        {name: prompts for name, (prompts, _) in loaded.items()},
        args.batch,
        args.rounds,
        args.requests,
        args.repeat_prompts,
    )
    if args.outputs:
        args.outputs.unlink(missing_ok=True)
    with Pool() as pool, Progress(console=console, transient=True) as progress:
        loading = progress.add_task("loading engines", total=None)
        facts = start_engines(pool, args, setup, warm, progress.console.print)
        cpus = len(usable_cpus(args))
        progress.remove_task(loading)
        methods = list(pool.workers)
        ledger = Ledger(methods)
        task = progress.add_task("running", total=len(cells))
        before = {method: pool.workers[method].cpu_seconds() for method in methods}
        for number, cell in enumerate(cells):
            progress.update(task, description=f"{cell.workload}, batch {cell.batch}, round {cell.round + 1}")
            turn = (number + cell.round) % len(methods)
            runs, reference = run_cell(pool, cell, methods[turn:] + methods[:turn], args.tokens)
            ledger.runs += runs
            if args.outputs and reference is not None:
                save_outputs(args.outputs, cell, reference)
            progress.advance(task)
        for method in methods:
            facts[method] |= cpu_facts(ledger, pool, method, cpus, before[method])
    for batch in ledger.batches():
        console.print(ledger.table(batch))
    shares = {method: fact["cpu_share"] for method, fact in facts.items() if "cpu_share" in fact}
    if min(shares.values()) < _QUIET:
        console.print(f"[yellow]the machine was busy[/]: engines got these shares of their CPUs: {shares}")
    versions: dict[str, str] = next(
        (fact.pop("versions") for fact in facts.values() if "versions" in fact), {}
    )
    for fact in facts.values():
        fact.pop("versions", None)
    return {
        **ledger.summary(),
        "methods": facts,
        "prompts_left_out": {name: left for name, (_, left) in loaded.items()},
        "prefix_caching": False,
        "eager": setup.eager,
        "dtype": setup.dtype,
        "model": model,
        "command": shlex.join(["python", *sys.argv]),
        "versions": versions,
    }


def main(argv: list[str] | None = None) -> int:
    """Run, print the tables and the JSON line; return the exit status (1 if an output differs by more than a tie)."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.outputs and "none" not in args.methods:
        parser.error("--outputs saves the outputs of none: add none to --methods")
    console = Console(stderr=False, width=None if sys.stdout.isatty() else 180)
    try:
        result = measure(args, console)
    except (OSError, TooFewPromptsError, WorkerError, ValueError) as error:
        print(f"bench_engine: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result))
    return 0 if result["equal_but_ties"] is not False else 1


if __name__ == "__main__":
    raise SystemExit(main())
