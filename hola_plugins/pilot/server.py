"""vLLM's OpenAI server: started on a port of its own, waited for, watched, stopped; no proxy stands between."""

from __future__ import annotations

import re
import secrets
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hola_plugins.pilot.memory import MemoryWatch
from hola_plugins.pilot.process import LoggedProcess, ProcessError

if TYPE_CHECKING:
    from hola_plugins.pilot.server_host import ServerHost
    from hola_plugins.pilot.server_plan import ServerPlan

_LOOK_EVERY_S = 0.5
_LAST_S = 5.0
"""Seconds in which a server whose engine died ends, answering each request with an error until then."""

_WEIGHED = re.compile(r"Weights loaded: (\d+) bytes")
_TOLD = re.compile(r"Model loading took ([\d.]+) (GiB|MiB)")
_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20}
_DRAFT = re.compile(r"Draft weights loaded: (\d+) bytes")

_PORTS = range(20_000, 32_000)
"""Under the ports that the system gives to outgoing connections: none takes one before the server listens on it."""


class Server:
    """A running server.

    Args:
        plan: What is served and how.
        host: Where it runs.
        logs: Folder that receives the log.
    """

    def __init__(self, plan: ServerPlan, host: ServerHost, logs: Path) -> None:
        port = _free_port()
        self.plan = plan
        self.address = f"http://127.0.0.1:{port}"
        self._process = LoggedProcess(
            f"the server of {plan.name}",
            host.command(plan, port),
            logs / f"server-{plan.name}.log",
            plan.environment | host.environment,
        )
        self._memory = MemoryWatch(self._process.pid)

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"{self.address}/v1"

    @property
    def pid(self) -> int:
        """Process id of what the server's processes stand below."""
        return self._process.pid

    @property
    def peak_memory(self) -> int | None:
        """Most memory so far, in bytes."""
        return self._memory.peak

    @property
    def weights(self) -> int | None:
        """What its weights take in memory, drafts included, in bytes; None where the target's are not known.

        vLLM tells the target's, but not on a CPU, where this package weighs them; drafts are this package's to tell.
        """
        output = self._process.output()
        target = sum(map(int, _WEIGHED.findall(output))) or _told(output)
        return target + sum(map(int, _DRAFT.findall(output))) if target else None

    def longest(self) -> int:
        """Gives the most tokens that a request and its answer may have.

        Raises:
            ProcessError: It does not say.
        """
        import httpx

        try:
            answer = httpx.get(f"{self.url}/models", timeout=30, trust_env=False)
            models = answer.raise_for_status().json()["data"]
        except httpx.HTTPError as error:
            raise self._process.failed(f"does not list its model ({error})") from None
        return int(models[0]["max_model_len"])

    def wait(self, timeout_s: float) -> None:
        """Waits until it answers.

        Raises:
            ProcessError: It ended, or did not answer in time.
        """
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            self.check_running()
            if self._is_healthy():
                return
            time.sleep(_LOOK_EVERY_S)
        raise self._process.failed(f"did not answer within {timeout_s:g} s")

    def check_running(self) -> None:
        """Checks that it has not ended.

        Raises:
            ProcessError: It has.
        """
        self._process.check_running()

    def check_survives(self) -> None:
        """Checks, after a request that it lost, that it does not end in the next moments and is healthy then.

        Raises:
            ProcessError: It ends, or is not.
        """
        until = time.monotonic() + _LAST_S
        while time.monotonic() < until:
            self.check_running()
            time.sleep(_LOOK_EVERY_S)
        self.check_running()
        if not self._is_healthy():
            raise self._process.failed("does not answer any more")

    def _is_healthy(self) -> bool:
        """Tells whether it answers."""
        import httpx

        try:
            return httpx.get(f"{self.address}/health", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def let_go(self) -> None:
        """Has it ended, without waiting."""
        self._process.let_go()

    def stop(self) -> None:
        """Ends it."""
        self._memory.stop()
        self._process.stop()


class Fleet:
    """The servers of a pilot: all together, or one at a time; none outlives the block.

        with Fleet(...) as fleet:
            fleet.start(plans)
            fleet.server(plan).url

    Args:
        host: Where they run.
        logs: Folder that receives the logs.
        timeout_s: Seconds that a server may take to start.
        one_at_a_time: Whether a server is stopped before another is started.
    """

    def __init__(self, host: ServerHost, logs: Path, timeout_s: float, *, one_at_a_time: bool) -> None:
        self._host = host
        self._logs = logs
        self._timeout_s = timeout_s
        self._one_at_a_time = one_at_a_time
        self._running: dict[str, Server] = {}
        self._ready: set[str] = set()
        self._failed: dict[str, ProcessError] = {}

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, plans: Sequence[ServerPlan]) -> None:
        """Starts servers side by side, where they run together, and waits for all: none loads beside a measurement.

        One that runs already is left alone; one that fails is told of by `server`.
        """
        if self._one_at_a_time:
            return
        for plan in plans:
            if plan.name not in self._running and plan.name not in self._failed:
                self._running[plan.name] = self._launch(plan)
        for plan in plans:
            with suppress(ProcessError):
                self.server(plan)

    def server(self, plan: ServerPlan) -> Server:
        """Gives the server of a plan, ready to answer.

        Raises:
            ProcessError: It does not start, or it ended; it is not tried again.
        """
        if plan.name in self._failed:
            raise self._failed[plan.name]
        if plan.name not in self._running:
            if self._one_at_a_time:
                self.stop()
            self._running[plan.name] = self._launch(plan)
        server = self._running[plan.name]
        try:
            self._check(server)
        except ProcessError as error:
            self._failed[plan.name] = error
            self._running.pop(plan.name).stop()
            raise
        return server

    def release(self, plan: ServerPlan) -> None:
        """Ends the server of a plan, where it runs; what failed may be tried again."""
        self._ready.discard(plan.name)
        self._failed.pop(plan.name, None)
        if plan.name in self._running:
            self._running.pop(plan.name).stop()

    def stop(self) -> None:
        """Ends all servers, at a time."""
        for server in self._running.values():
            server.let_go()
        for server in self._running.values():
            server.stop()
        self._running.clear()
        self._ready.clear()

    def _launch(self, plan: ServerPlan) -> Server:
        return Server(plan, self._host, self._logs)

    def _check(self, server: Server) -> None:
        """Waits for a server the first time, later checks that it runs."""
        if server.plan.name in self._ready:
            server.check_running()
            return
        server.wait(self._timeout_s)
        self._ready.add(server.plan.name)


def _told(output: str) -> int | None:
    """Gives what vLLM says that the weights take, in bytes."""
    found = _TOLD.search(output)
    return round(float(found[1]) * _UNITS[found[2]]) if found else None


def _free_port() -> int:
    """Chooses a port that nothing listens on."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as one, suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            return port
