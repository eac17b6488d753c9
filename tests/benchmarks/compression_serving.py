"""Memory and speed in vLLM of bf16, uniform and Lo-Bi checkpoints; this file also runs in vLLM's own environment.

Run as a program it takes a JSON file of {"folders": {name: folder}, "prompts": [...], "tokens": n, "rounds": n} and
prints one JSON line. Every checkpoint has its own engine; one runs at a time, the others are stopped, and the order
rotates from round to round.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine_pool import Pool, worker_environment
from hola_plugins.doctor.preload import preload_value

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent.parent
_ENGINE: dict[str, Any] = {
    "dtype": "bfloat16",
    "load_format": "hola_weighed",
    "worker_extension_cls": "hola_plugins.vllm.weighing.WeighedLoading",
    "max_model_len": 256,
    "max_num_seqs": 1,
    "kv_cache_memory_bytes": 64 << 20,
    "enforce_eager": True,
    "enable_prefix_caching": False,
    "skip_tokenizer_init": True,
    "disable_log_stats": False,
}


def ask(python: Path, script: str, *arguments: str) -> dict[str, Any]:
    """Runs a script of this folder in vLLM's environment and gives its last line.

    Raises:
        RuntimeError: If it fails; with the end of what it printed.
    """
    path = os.pathsep.join([str(_ROOT), str(_HERE)])
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"} | {
        "PYTHONPATH": path
    }
    done = subprocess.run(
        [python, _HERE / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=_ROOT,
    )
    if done.returncode:
        raise RuntimeError(f"{script} failed in {python}: {' '.join(done.stderr.split())[-600:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measures every checkpoint of a job.

    Returns:
        By name: bytes of weights in the engine and in the file, the process' memory in bytes, tokens/s of every
        round, and the median of its ratio to bf16 in the same round.
    """
    cpus = sorted(os.sched_getaffinity(0))
    found: dict[str, dict[str, Any]] = {}
    speeds: dict[str, list[float]] = {name: [] for name in job["folders"]}
    with Pool() as pool:
        for name, folder in job["folders"].items():
            worker = pool.start(name, {"model": folder, **_ENGINE}, worker_environment(cpus, preload_value()))
            worker.run(job["prompts"][:1], 8, 1)
            found[name] = worker.memory() | {
                "file_bytes": sum(file.stat().st_size for file in Path(folder).glob("*.safetensors"))
            }
        names = list(found)
        for turn in range(job["rounds"]):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                run = pool.workers[name].run(job["prompts"], job["tokens"], 1)
                speeds[name].append(job["tokens"] * len(job["prompts"]) / run["wall_s"])
    first = next(iter(speeds.values()))
    for name, rounds in speeds.items():
        found[name]["weights_over_file"] = round(found[name]["weight_bytes"] / found[name]["file_bytes"], 4)
        found[name]["tokens_per_second"] = [round(speed, 2) for speed in rounds]
        found[name]["speed_over_bf16"] = round(
            statistics.median(mine / theirs for mine, theirs in zip(rounds, first, strict=True)), 4
        )
    return found


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
