"""Compress the embedded model, serve it with HSD, and compare it with the original.

    python integrations/llmcompressor/demo.py --compress-python .venv/compress/bin/python

Runs with vLLM's Python; llmcompressor lives in the other environment. Each row has an engine of its own. The
prompts are dealt out to interleaved rounds, so that none comes twice and HSD's shared store cannot replay an answer.
The last line is one JSON object.
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
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODEL = ROOT / "tests" / "models" / "target"
PROMPTS = ROOT / "integrations" / "vllm" / "prompts.jsonl"
TEXT = ROOT / "README.md"
"""What perplexity is measured on: the project's own text, which no calibration has seen."""

BUDGETS = {"cuda": "45%", "cpu": "45%", "cpu_avx2": "65%"}
"""Without AVX-512 vLLM runs no packed weights, so 8 bits are the fewest, and this model is a sixth embedding."""

HSD = {"method": "custom_class", "model": "hola_plugins.vllm.HSDProposer", "num_speculative_tokens": 8}
QUIET = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
"""An engine that is not asked leaves the cores to the others."""

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


class Engine:
    """A model in a vLLM of its own process, started at once and waited for when it is asked.

    Args:
        model: Path or hub id.
        hsd: Whether HSD drafts.
    """

    def __init__(self, model: str, *, hsd: bool) -> None:
        self._model = model
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--model", model, "--worker", "hsd" if hsd else "plain"],
            env=os.environ | {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR"} | QUIET,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._messages.close()

    def ask(self, what: str) -> Any:
        """Gives the answer to "ready", to the number of a round, or to "end"."""
        if self._process.poll() is None:
            print(what, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            self._messages.seek(0)
            raise SystemExit(
                f"{self._messages.read().decode(errors='replace')}\n"
                f"the engine with {self._model} ended with status {self._process.wait()}"
            )
        return json.loads(line)


def _measure(engines: dict[str, Engine]) -> dict[str, dict[str, Any]]:
    """Measures the rows: speed in interleaved rounds, then memory and perplexity."""
    for engine in engines.values():
        engine.ask("ready")
    speeds: dict[str, list[float]] = {row: [] for row in engines}
    for number in range(ROUNDS):
        for row, engine in engines.items():
            speeds[row].append(engine.ask(str(number)))
    return {
        row: {"tokens_per_second": statistics.median(some), "range": [min(some), max(some)]}
        | engines[row].ask("end")
        for row, some in speeds.items()
    }


def _work(options: argparse.Namespace) -> None:
    """The engine's side: loads the model, then answers each line on stdin with one."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
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
    _speed(llm, ["1, 2, 3,"] * BATCH)
    prompts = [json.loads(line)["prompt"] for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
    for line in sys.stdin:
        asked = line.strip()
        if asked.isdigit():
            print(json.dumps(_speed(llm, prompts[int(asked) :: ROUNDS])), file=answers)
        elif asked == "end":
            print(json.dumps({"resident": _resident(), "perplexity": _perplexity(llm)}), file=answers)
        else:
            print(json.dumps(True), file=answers)


def _speed(llm: Any, prompts: list[str]) -> float:
    """Gives the tokens per second over some prompts."""
    from vllm import SamplingParams

    params = SamplingParams(temperature=0.0, max_tokens=TOKENS)
    tokens, started = 0, time.perf_counter()
    for first in range(0, len(prompts), BATCH):
        some = llm.generate(prompts[first : first + BATCH], params, use_tqdm=False)
        tokens += sum(len(one.outputs[0].token_ids) for one in some)
    return tokens / (time.perf_counter() - started)


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
        with ExitStack() as running:
            engines = {"original": running.enter_context(Engine(options.model, hsd=False))}
            _compress(options.compress_python, options.model, small)
            console.print("\nmeasuring the original and the compressed model in vLLM ...", style="dim")
            for row, hsd in (("compressed", False), ("compressed, with HSD", True)):
                engines[row] = running.enter_context(Engine(str(small), hsd=hsd))
            rows = _measure(engines)
        size = _weights(small)
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
