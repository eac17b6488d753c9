"""Compare vLLM without speculation, with its ngram proposer and with HSD on your model and prompts.

    python integrations/vllm/compare.py --model DIR_OR_HUB_ID --prompts FILE.jsonl

Each method runs in an engine of its own. The prompts are dealt out to rounds, so that none comes twice and
HSD's shared store cannot replay an answer; the rounds are interleaved and the table gives their median with
their range. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODEL = HERE.parents[1] / "tests" / "models" / "target"
METHODS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "vLLM ngram": {
        "method": "ngram",
        "num_speculative_tokens": 4,
        "prompt_lookup_min": 2,
        "prompt_lookup_max": 4,
    },
    "HSD": {"method": "custom_class", "model": "hola_plugins.vllm.HSDProposer", "num_speculative_tokens": 8},
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=str(MODEL), help="path or hub id (default: the embedded target)")
    parser.add_argument(
        "--prompts", type=Path, default=HERE / "prompts.jsonl", help="JSON lines with a prompt"
    )
    parser.add_argument("--tokens", type=int, default=128, help="new tokens a prompt (default: 128)")
    parser.add_argument("--batch", type=int, default=4, help="requests at a time (default: 4)")
    parser.add_argument(
        "--rounds",
        type=int,
        default=3,
        help="interleaved rounds, over which the prompts are dealt (default: 3)",
    )
    parser.add_argument(
        "--max-model-len",
        type=int,
        default=1024,
        help="most tokens of a prompt and its answer; longer ones are left out (default: 1024)",
    )
    parser.add_argument(
        "--kv-mib", type=int, default=512, help="memory for keys and values, MiB (default: 512)"
    )
    parser.add_argument(
        "--dtype", default="float32", help="dtype of the weights (default: float32, see README)"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def _read_prompts(path: Path) -> list[dict[str, str]]:
    """Reads the prompts, or says which line is wrong."""
    rows: list[dict[str, str]] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                rows.append({"category": str(row.get("category", "all")), "prompt": str(row["prompt"])})
            except (ValueError, KeyError, AttributeError):
                raise SystemExit(
                    f"{path}, line {number}: each line must be a JSON object with a 'prompt'"
                ) from None
    if not rows:
        raise SystemExit(f"{path} holds no prompts: give one JSON object with a 'prompt' a line")
    return rows


def _fitting(rows: list[dict[str, str]], options: argparse.Namespace) -> list[dict[str, str]]:
    """Gives the prompts that leave room for their answers."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    longest = options.max_model_len - options.tokens
    return [row for row in rows if len(tokenizer(row["prompt"])["input_ids"]) <= longest]


def _work(options: argparse.Namespace) -> None:
    """The engine's side: one round for each line on stdin."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    from vllm import LLM, SamplingParams

    extra: dict[str, Any] = {"speculative_config": METHODS[options.worker]} if METHODS[options.worker] else {}
    llm = LLM(
        model=options.model,
        dtype=options.dtype,
        max_model_len=options.max_model_len,
        max_num_seqs=32,
        enforce_eager=True,
        enable_prefix_caching=False,
        kv_cache_memory_bytes=options.kv_mib << 20,
        disable_log_stats=False,
        **extra,
    )
    prompts = [row["prompt"] for row in _fitting(_read_prompts(options.prompts), options)]
    params = SamplingParams(temperature=0.0, max_tokens=options.tokens)
    llm.generate(["1, 2, 3,"] * options.batch, params, use_tqdm=False)
    print("ready", file=answers)
    for line in sys.stdin:
        dealt = prompts[int(line) :: options.rounds]
        before = _counters(llm)
        outputs: list[list[int]] = []
        started = time.perf_counter()
        for first in range(0, len(dealt), options.batch):
            some = llm.generate(dealt[first : first + options.batch], params, use_tqdm=False)
            outputs += [list(one.outputs[0].token_ids) for one in some]
        seconds = time.perf_counter() - started
        after = _counters(llm)
        counts = {name: after[name] - before.get(name, 0) for name in after}
        print(json.dumps({"seconds": seconds, "outputs": outputs, "counts": counts}), file=answers)


def _counters(llm: Any) -> dict[str, int]:
    return {
        metric.name.removeprefix("vllm:spec_decode_num_"): int(metric.value)
        for metric in llm.get_metrics()
        if metric.name.startswith("vllm:spec_decode_num_") and hasattr(metric, "value")
    }


def _start(method: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "OMP_WAIT_POLICY": "passive",
        "KMP_BLOCKTIME": "0",
    }
    command = [sys.executable, __file__, *sys.argv[1:], "--worker", method]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def _answer(worker: subprocess.Popen[str], method: str) -> str:
    line = worker.stdout.readline() if worker.stdout else ""
    if not line:
        raise SystemExit(
            f"the engine with {method} ended with status {worker.wait()}; its messages are above"
        )
    return line


def _run(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Starts the engines and runs the rounds in turn."""
    from rich.progress import Progress

    results: dict[str, list[dict[str, Any]]] = {method: [] for method in METHODS}
    workers = {}
    with Progress(transient=True) as progress:
        task = progress.add_task("starting engines", total=len(METHODS) * (1 + options.rounds))
        for method in METHODS:
            workers[method] = _start(method)
        for method, worker in workers.items():
            progress.update(task, description=f"starting vLLM: {method}")
            _answer(worker, method)
            progress.advance(task)
        for number in range(options.rounds):
            for method, worker in workers.items():
                progress.update(task, description=f"generating: {method}")
                if worker.stdin:
                    print(number, file=worker.stdin, flush=True)
                results[method].append(json.loads(_answer(worker, method)))
                progress.advance(task)
    for worker in workers.values():
        worker.communicate()
    return results


def _summary(rounds: list[dict[str, Any]], reference: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of one method; ratios are taken inside each round."""
    tokens = [sum(map(len, one["outputs"])) for one in rounds]
    speeds = [count / one["seconds"] for count, one in zip(tokens, rounds, strict=True)]
    ratios = [ref["seconds"] / one["seconds"] for ref, one in zip(reference, rounds, strict=True)]
    drafts = sum(one["counts"].get("drafts", 0) for one in rounds)
    accepted = sum(one["counts"].get("accepted_tokens", 0) for one in rounds)
    return {
        "tokens_per_second": statistics.median(speeds),
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "acceptance_length": 1 + accepted / drafts if drafts else 1.0,
        "drafts": drafts,
        "equal": all(one["outputs"] == ref["outputs"] for one, ref in zip(rounds, reference, strict=True)),
    }


def main() -> None:
    """Runs the comparison and prints the table."""
    options = _arguments()
    if options.worker:
        _work(options)
        return
    read = _read_prompts(options.prompts)
    rows = _fitting(read, options)
    if len(rows) < len(read):
        print(
            f"{len(read) - len(rows)} of {len(read)} prompts are left out: with {options.tokens} tokens of answer they "
            f"are longer than --max-model-len {options.max_model_len}"
        )
    if not rows:
        raise SystemExit(f"no prompt of {options.prompts} fits: raise --max-model-len, or lower --tokens")
    if not 1 <= options.rounds <= len(rows):
        raise SystemExit(f"--rounds must be from 1 to the {len(rows)} prompts, got {options.rounds}")
    results = _run(options)
    from rich.console import Console
    from rich.table import Table

    summaries = {method: _summary(rounds, results["none"]) for method, rounds in results.items()}
    kinds = ", ".join(sorted({row["category"] for row in rows}))
    table = Table(
        title=f"{len(rows)} prompts ({kinds}), {options.batch} at a time",
        caption="tokens/s: median of the rounds. Acceptance length counts the target's own token.",
    )
    for column in ("method", "tokens/s", "against none", "acceptance length", "drafts", "equal output"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for method, one in summaries.items():
        low, high = one["ratio_range"]
        table.add_row(
            method,
            f"{one['tokens_per_second']:.0f}",
            f"{one['ratio']:.2f}x ({low:.2f}-{high:.2f})",
            f"{one['acceptance_length']:.2f}",
            str(one["drafts"]),
            "yes" if one["equal"] else "NO",
        )
    Console(width=110).print(table)
    print(json.dumps({"model": options.model, "methods": summaries}))


if __name__ == "__main__":
    main()
