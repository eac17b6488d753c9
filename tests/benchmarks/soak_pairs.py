"""Throughput of two servers, one loaded while the other rests: phases in pairs, which alternate in order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from scipy import stats

from hola_plugins.pilot.server import Server
from soak_servers import DRAFTING, PLAIN, cpu_seconds
from soak_traffic import Request, send


@dataclass(slots=True)
class Pairs:
    """The pairs so far.

    Attributes:
        wall: Throughput with HSD over that without, by the clock, a pair.
        cpu: The same by processor time of the servers, which other jobs on the machine disturb less.
        speeds: Tokens/s, a pair, by server.
        wrong: Requests of the pairs that failed or were answered otherwise.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    speeds: list[dict[str, float]] = field(default_factory=list)
    wrong: int = 0

    async def measure(
        self,
        client: httpx.AsyncClient,
        servers: dict[str, Server],
        requests: list[Request],
        concurrency: int,
    ) -> None:
        """Measures one pair on the same requests."""
        order = [PLAIN, DRAFTING] if len(self.wall) % 2 else [DRAFTING, PLAIN]
        found = {name: await _phase(client, servers[name], requests, concurrency) for name in order}
        answers, walls, cpus = ({name: one[part] for name, one in found.items()} for part in range(3))
        self.wrong += sum(
            one is None or one != other for one, other in zip(answers[PLAIN], answers[DRAFTING], strict=True)
        )
        tokens = {name: sum(len(ids or ()) for ids in ids_of) for name, ids_of in answers.items()}
        self.speeds.append({name: round(tokens[name] / walls[name], 1) for name in order})
        share = tokens[DRAFTING] / max(tokens[PLAIN], 1)
        self.wall.append(share * walls[PLAIN] / walls[DRAFTING])
        self.cpu.append(share * cpus[PLAIN] / cpus[DRAFTING])

    def summary(self) -> dict[str, Any]:
        """Gives the geometric means with 95 % intervals over the pairs, medians, and all pairs."""
        return {
            "pairs": len(self.wall),
            "wall": _estimate(self.wall),
            "cpu": _estimate(self.cpu),
            "tokens_per_second": self.speeds,
            "answered_otherwise": self.wrong,
        }


async def _phase(
    client: httpx.AsyncClient, server: Server, requests: list[Request], concurrency: int
) -> tuple[list[list[int] | None], float, float]:
    """Loads one server; gives the answers, seconds, and processor seconds."""
    free = asyncio.Semaphore(concurrency)

    async def one(request: Request) -> list[int] | None:
        async with free:
            outcome = await send(client, server.url, request)
            return None if outcome.failure else outcome.ids

    cpu, began = cpu_seconds(server), time.perf_counter()
    answers = await asyncio.gather(*(one(request) for request in requests))
    return list(answers), time.perf_counter() - began, cpu_seconds(server) - cpu


def _estimate(ratios: list[float]) -> dict[str, Any]:
    """Gives geometric mean, 95 % interval, median and the ratios themselves."""
    if not ratios:
        return {"mean": 0.0, "each": []}
    logs = np.log(ratios)
    reach = 0.0
    if len(ratios) > 1:
        reach = float(stats.t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / len(logs) ** 0.5)
    centre = float(logs.mean())
    found = {"mean": centre, "low": centre - reach, "high": centre + reach}
    return {name: round(float(np.exp(value)), 4) for name, value in found.items()} | {
        "median": round(float(np.median(ratios)), 4),
        "each": [round(one, 4) for one in ratios],
    }
