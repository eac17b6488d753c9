"""Compresses a model larger than the memory it gets: what each stage of `hola compress` holds at most.

A Llama-shaped checkpoint of random weights is made, and compressed by a child that may keep less than the model's
bytes of weights in memory. Anonymous memory is what counts (RssAnon); pages of files, which the system can drop, are
reported apart. `--limit-gb` sets RLIMIT_DATA, which also counts the private mappings of the checkpoint's own files,
so that a limit below the model's bytes stops its loading.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from random_checkpoint import make_checkpoint

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of the model; default: 2")
    parser.add_argument("--limit-gb", type=float, help="of anonymous memory; default: none")
    parser.add_argument("--memory-gb", type=float, help="for the weights, as hola compress --memory")
    parser.add_argument("--quantizer", default="gptq", help="default: gptq")
    parser.add_argument("--choices", default="W4A16,W8A8,BF16", help="default: W4A16,W8A8,BF16")
    parser.add_argument(
        "--ratio", type=float, default=0.4, help="budget as a share of the size; default: 0.4"
    )
    parser.add_argument("--rows", type=int, default=8, help="calibration sequences; default: 8")
    parser.add_argument("--length", type=int, default=32, help="tokens of each; default: 32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = make_checkpoint(Path(folder) / "model", int(options.gigabytes * 1e9))
        told = {
            "model": f"{folder}/model",
            "out": f"{folder}/out",
            "length": options.length,
            "limit": options.limit_gb and int(options.limit_gb * 1e9),
            "memory": options.memory_gb and int(options.memory_gb * 1e9),
            "config": {
                "target_ratio": options.ratio,
                "choices": options.choices.split(","),
                "quantizer": options.quantizer,
                "samples": options.rows,
            },
        }
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("memory_by_stage.py")), json.dumps(told)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"the child ended with {done.returncode}:\n{done.stdout[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    table = Table("stage", "seconds", "peak anonymous GB", "of the model", "peak RSS GB")
    for name, held in found["stages"].items():
        anonymous = held["RssAnon"]
        table.add_row(
            name,
            f"{held['seconds']:.0f}",
            f"{anonymous / 1e9:.2f}",
            f"{anonymous / size:.0%}",
            f"{held['VmRSS'] / 1e9:.2f}",
        )
    Console().print(table)
    peak = max(held["RssAnon"] for held in found["stages"].values())
    summary = {"model_bytes": size, "peak_anonymous": peak, "share": peak / size, "seconds": seconds}
    print(json.dumps(summary | found | {"command": sys.argv}))


if __name__ == "__main__":
    main()
