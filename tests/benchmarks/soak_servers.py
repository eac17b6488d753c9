"""The servers of a soak: vLLM alone and vLLM with HSD, started alike and at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from hola_plugins.doctor.preload import preload_value
from hola_plugins.pilot.server import Server
from hola_plugins.pilot.server_host import ServerHost
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.stats import WORKER_EXTENSION

PLAIN, DRAFTING = "without", "hsd"

_VARIABLES = {
    "VLLM_SERVER_DEV_MODE": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "TCMALLOC_AGGRESSIVE_DECOMMIT": "1",
}
"""With glibc's allocator and with tcmalloc, freed memory goes back to the system at once: what is resident is held."""


def plans(model: str, draft_tokens: int, hsd: dict[str, Any], engine: dict[str, Any]) -> list[ServerPlan]:
    """Gives the plan of each server: without speculation, then with HSD."""
    common = {"worker-extension-cls": WORKER_EXTENSION, **engine}
    return [
        ServerPlan(PLAIN, model, "float32", engine=common, variables=_VARIABLES),
        ServerPlan(DRAFTING, model, "float32", draft_tokens, hsd, common, _VARIABLES),
    ]


@contextmanager
def serving(planned: list[ServerPlan], logs: Path, timeout_s: float) -> Iterator[dict[str, Server]]:
    """Starts all servers, waits until they answer, and ends them with the block."""
    with ExitStack() as stack:
        servers = {}
        for plan in planned:
            server = Server(plan, ServerHost(Path(sys.executable), preload_value()), logs)
            stack.callback(server.stop)
            servers[plan.name] = server
        for server in servers.values():
            server.wait(timeout_s)
        yield servers


def worker(server: Server) -> psutil.Process:
    """Gives the process that holds the model: the largest of a server's."""
    below = psutil.Process(server.pid).children(recursive=True)
    return max(below, key=lambda process: process.memory_info().rss)


def cpu_seconds(server: Server) -> float:
    """Gives the processor time that all processes of a server took so far."""
    times = [process.cpu_times() for process in psutil.Process(server.pid).children(recursive=True)]
    return float(sum(one.user + one.system for one in times))
