"""Compress the embedded model, serve it with HSD, and compare it with the original.

    python integrations/llmcompressor/demo.py --compress-python .venv/compress/bin/python

Runs with vLLM's Python; llmcompressor lives in the other environment. Each row has an engine of its own. The
prompts are dealt out to rounds, so that none comes twice and HSD's shared store cannot replay an answer. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODEL = ROOT / "tests" / "models" / "target"
PROMPTS = ROOT / "integrations" / "vllm" / "prompts.jsonl"
TEXT = ROOT / "README.md"
"""What perplexity is measured on: the project's own text, which no calibration has seen."""

BUDGETS = {"cuda": "45%", "cpu": "45%", "cpu_avx2": "65%"}
"""Without AVX-512 vLLM runs no packed weights, so 8 bits are the fewest, and this model is a sixth embedding."""

HSD = {"method": "custom_class", "model": "hola_plugins.vllm.HSDProposer", "num_speculative_tokens": 8}
ROUNDS, BATCH, TOKENS, WINDOW = 3, 4, 64, 512


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--compress-python", help="the Python of the environment with llmcompressor")
    parser.add_argument("--model", default=str(MODEL), help="path or hub id (default: the embedded target)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def _compress(python: str, model: str, out: Path) -> None:
    """Runs `hola compress` in the other environment."""
    from hola_plugins.lobi.target_device import detect_device

    device = detect_device()
    command = [python, "-m", "hola_plugins.cli", "compress", model, "--out", str(out)]
    command += ["--device", device, "--budget", BUDGETS[device], "--cache", str(out.parent / "scores")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LD_PRELOAD": ""}
    subprocess.run([*command, "--samples", "32", "--sequence-length", "128"], env=environment, check=True)


def _measure(model: str, *, hsd: bool) -> dict[str, Any]:
    """Measures one row in a process of its own."""
    environment = os.environ | {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR"}
    command = [sys.executable, __file__, "--model", model, "--worker", "hsd" if hsd else "plain"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nthe engine with {model} ended with status {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _work(options: argparse.Namespace) -> None:
    """The engine's side: loads, measures, prints one line."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from vllm import LLM

    llm = LLM(
        model=options.model,
        max_model_len=1024,
        max_num_seqs=32,
        enforce_eager=True,
        enable_prefix_caching=False,
        kv_cache_memory_bytes=64 << 20,
        **({"speculative_config": HSD} if options.worker == "hsd" else {}),
    )
    speeds = _speeds(llm)
    found = {"tokens_per_second": statistics.median(speeds), "range": [min(speeds), max(speeds)]}
    print(json.dumps(found | {"resident": _resident(), "perplexity": _perplexity(llm)}), file=answers)


def _speeds(llm: Any) -> list[float]:
    """Gives the tokens per second of each round."""
    from vllm import SamplingParams

    prompts = [json.loads(line)["prompt"] for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
    params = SamplingParams(temperature=0.0, max_tokens=TOKENS)
    llm.generate(["1, 2, 3,"] * BATCH, params, use_tqdm=False)
    speeds = []
    for number in range(ROUNDS):
        dealt, tokens, started = prompts[number::ROUNDS], 0, time.perf_counter()
        for first in range(0, len(dealt), BATCH):
            some = llm.generate(dealt[first : first + BATCH], params, use_tqdm=False)
            tokens += sum(len(one.outputs[0].token_ids) for one in some)
        speeds.append(tokens / (time.perf_counter() - started))
    return speeds


def _perplexity(llm: Any) -> float:
    """Gives the perplexity of the project's text."""
    from vllm import SamplingParams

    ids = llm.get_tokenizer().encode(TEXT.read_text(encoding="utf-8"))
    windows = [ids[first : first + WINDOW] for first in range(0, len(ids) - WINDOW, WINDOW)]
    params = SamplingParams(max_tokens=1, prompt_logprobs=0, temperature=0.0)
    answers = llm.generate([{"prompt_token_ids": one} for one in windows], params, use_tqdm=False)
    losses = [
        -step[token].logprob
        for answer, window in zip(answers, windows, strict=True)
        for token, step in zip(window[1:], answer.prompt_logprobs[1:], strict=True)
    ]
    return math.exp(statistics.fmean(losses))


def _resident() -> int:
    """Gives the resident memory of this process in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _weights(model: Path) -> int:
    return sum(file.stat().st_size for file in model.glob("*.safetensors"))


def main() -> None:
    """Compresses, measures and prints the table."""
    options = _arguments()
    if options.worker:
        _work(options)
        return
    from rich.console import Console
    from rich.table import Table

    console = Console(width=110, highlight=False)
    with tempfile.TemporaryDirectory() as name:
        small = Path(name) / "small"
        _compress(options.compress_python, options.model, small)
        console.print("\nmeasuring the original and the compressed model in vLLM ...", style="dim")
        size = _weights(small)
        rows = {
            "original": _measure(options.model, hsd=False),
            "compressed": _measure(str(small), hsd=False),
            "compressed, with HSD": _measure(str(small), hsd=True),
        }
    sizes = {row: _weights(Path(options.model)) if row == "original" else size for row in rows}
    table = Table(
        title="the embedded model in vLLM, before and after",
        caption=f"perplexity: {TEXT.name}. Memory is the whole process: vLLM and PyTorch take nearly all of it "
        "here, on a model of some GB the weights do. tokens/s: median of the rounds.",
    )
    for column in ("model", "weights", "resident memory", "perplexity", "tokens/s", "against original"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for row, one in rows.items():
        low, high = one["range"]
        table.add_row(
            row,
            f"{sizes[row] / 1e6:.2f} MB ({sizes[row] / sizes['original']:.0%})",
            f"{one['resident'] / 1e6:.0f} MB",
            f"{one['perplexity']:.2f}",
            f"{one['tokens_per_second']:.0f} ({low:.0f}-{high:.0f})",
            f"{one['tokens_per_second'] / rows['original']['tokens_per_second']:.2f}x",
        )
    console.print(table)
    print(json.dumps({row: one | {"bytes": sizes[row]} for row, one in rows.items()}))


if __name__ == "__main__":
    main()
