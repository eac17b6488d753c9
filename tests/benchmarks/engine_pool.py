"""Worker processes, one engine each: all loaded, one running, the others stopped.

A second engine in one process fails once speculation is on, hence processes. A worker that waits is stopped with
SIGSTOP, so neither its OpenMP threads nor its allocator can take time from the one that is measured.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent.parent


class WorkerError(RuntimeError):
    """An engine process ended; the message holds the end of its log."""


def worker_environment(threads: list[int], preload: str) -> dict[str, str]:
    """Environment of a worker.

    Args:
        threads: CPUs that vLLM binds its OpenMP threads to.
        preload: Value of LD_PRELOAD, may be empty.
    """
    path = [str(_ROOT), str(_HERE), os.environ.get("PYTHONPATH", "")]
    changes = {
        "PYTHONPATH": os.pathsep.join(p for p in path if p),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, threads)),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "WARNING"),
    }
    if preload:
        changes["LD_PRELOAD"] = preload
    return {**os.environ, **changes}


class Worker:
    """One engine process.

    Args:
        name: Name for messages.
        arguments: Keyword arguments of `vllm.LLM`.
        environment: Environment of the process.
    """

    def __init__(self, name: str, arguments: dict[str, Any], environment: dict[str, str]) -> None:
        self.name = name
        self._log = tempfile.NamedTemporaryFile("w+", prefix=f"bench-{name}-", suffix=".log")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "engine_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            bufsize=1,
        )
        self.ready = self._ask(arguments)

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        self._process.send_signal(signal.SIGCONT)
        try:
            stdin.write(json.dumps(message) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close_process()
            raise WorkerError(f"the {self.name} engine ended:\n{self.log_tail()}")
        self._process.send_signal(signal.SIGSTOP)
        return cast("dict[str, Any]", json.loads(line))

    def run(self, prompts: list[list[int]], tokens: int, batch: int) -> dict[str, Any]:
        """Run prompts; see `engine_worker.Engine.run`."""
        return self._ask({"call": "run", "prompts": prompts, "tokens": tokens, "batch": batch})

    def memory(self) -> dict[str, Any]:
        """Ask for the bytes of weights and of the process; see `engine_worker.Engine.memory`."""
        return self._ask({"call": "memory"})

    def gaps(self, contexts: list[list[int]], pairs: list[list[int]]) -> list[float]:
        """Ask how far apart two tokens are; see `engine_worker.Engine.gaps`. Unknown gaps are infinite."""
        answer = self._ask({"call": "gaps", "contexts": contexts, "pairs": pairs})
        return [math.inf if gap is None else gap for gap in answer["gaps"]]

    def cpu_seconds(self) -> float:
        """CPU time the process has used so far (Linux)."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log_tail(self, lines: int = 25) -> str:
        """End of what the engine printed."""
        return "\n".join(Path(self._log.name).read_text(errors="replace").splitlines()[-lines:])

    def close_process(self) -> None:
        """End the process, stopped or not."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """End the process and forget its log."""
        self.close_process()
        self._log.close()


class Pool:
    """All workers of a run; a context manager that ends them."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}

    def start(self, name: str, arguments: dict[str, Any], environment: dict[str, str]) -> Worker:
        """Load one more engine and stop it.

        Raises:
            WorkerError: If the engine does not start.
        """
        self.workers[name] = worker = Worker(name, arguments, environment)
        return worker

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers.values():
            worker.close()
