"""Times one pass of HSD's intermediate model, by requests, tokens of each and context, in ways that take turns.

grouped    as HSD runs it: heads share their keys and values, lanes are read where they lie
repeated   with transformers' own attention, which copies keys and values for every head
scattered  as HSD runs it where the requests' lanes do not follow each other
compiled   as HSD runs it, through torch.compile (--compiled); compiling takes up to a minute before
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig

from hola_plugins.hsd.config import IntermediateConfig
from hola_plugins.hsd.windowed_model import WindowedModel
from package_versions import package_versions

Pass = Callable[[int, int, int], object]
"""Runs a pass over so many requests, tokens of each, and tokens before them."""

_WARM_UP = 3
_TURNS = 30


def main() -> int:
    """Prints a table, then one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python tests/benchmarks/bench_level_pass.py --draft DRAFT --compiled",
    )
    parser.add_argument("--draft", type=Path, required=True, help="folder of the draft")
    parser.add_argument("--requests", default="1,8,32", help="requests in a pass (default: %(default)s)")
    parser.add_argument("--tokens", default="1,3", help="tokens of each (default: %(default)s)")
    parser.add_argument("--contexts", default="30,300", help="tokens before them (default: %(default)s)")
    parser.add_argument("--compiled", action="store_true", help="through torch.compile as well")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    requests, tokens, contexts = (
        [int(part) for part in listed.split(",")] for listed in (asked.requests, asked.tokens, asked.contexts)
    )
    ways = make_ways(asked.draft, max(requests), max(contexts) + max(tokens), compiled=asked.compiled)
    found = {}
    for shape in [(rows, columns, before) for rows in requests for columns in tokens for before in contexts]:
        name = "{} requests, {} tokens each behind {}".format(*shape)
        found[name] = measure(ways, shape)
        print(f"{name}:", ", ".join(f"{way} {ms:.2f} ms" for way, ms in found[name].items()), flush=True)
    versions = package_versions(("torch", "transformers", "hola-plugins"))
    print(json.dumps({"milliseconds": found, "threads": asked.threads, "versions": versions}))
    return 0


def make_ways(draft: Path, requests: int, longest: int, *, compiled: bool) -> dict[str, Pass]:
    """Loads the draft once for each way to run it."""
    vocabulary = AutoConfig.from_pretrained(draft).vocab_size
    settings = IntermediateConfig.model_validate(
        {"model": str(draft), "requests": 2 * requests, "window": max(128, longest)}
    )

    def load() -> WindowedModel:
        return WindowedModel(settings, vocabulary, str(draft))

    grouped, repeated = load(), load()
    repeated._model.set_attn_implementation("sdpa")
    ways = {
        "grouped": _passes(grouped, step=1),
        "repeated": _passes(repeated, step=1),
        "scattered": _passes(load(), step=2),
    }
    if compiled:
        changed = load()
        changed._model = torch.compile(changed._model, dynamic=True)
        ways["compiled"] = _passes(changed, step=1)
    return ways


def _passes(model: WindowedModel, step: int) -> Pass:
    """Gives what runs a pass over every lane that is a multiple of ``step``."""
    draw = np.random.default_rng(0)

    def run(rows: int, columns: int, before: int) -> object:
        fed = draw.integers(3, model._known, (rows, columns)).astype(np.int32)
        return model.forward(step * np.arange(rows), np.full(rows, before, dtype=np.int32), fed)

    return run


def measure(ways: dict[str, Pass], shape: tuple[int, int, int]) -> dict[str, float]:
    """Gives milliseconds of a pass by way, medians of turns."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(_WARM_UP + _TURNS):
        for way, run in ways.items():
            started = time.perf_counter()
            run(*shape)
            if turn >= _WARM_UP:
                times[way].append(1e3 * (time.perf_counter() - started))
    return {way: statistics.median(taken) for way, taken in times.items()}


if __name__ == "__main__":
    raise SystemExit(main())
