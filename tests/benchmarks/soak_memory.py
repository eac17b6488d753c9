"""Memory over a soak: the workers' resident memory, and what the drafter says that it holds."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from scipy import stats

from hola_plugins.pilot.server import Server
from hola_plugins.stats import SnapshotError, fetch_snapshot
from soak_servers import DRAFTING, worker

MIB = 1 << 20


class MemoryLog:
    """Looks at the servers at an interval, until the end of the block.

    Args:
        servers: By name; the one of HSD is asked for its counters as well.
        every_s: Seconds between looks.
    """

    def __init__(self, servers: dict[str, Server], every_s: float) -> None:
        self.samples: list[dict[str, float]] = []
        self.snapshot: dict[str, Any] = {}
        self._servers = servers
        self._workers = {name: worker(server) for name, server in servers.items()}
        self._every_s = every_s
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryLog:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def curve(self, name: str) -> tuple[list[float], list[float]]:
        """Gives the hours and the MiB of one curve: a server's name, ``index``, ``store`` or ``store_tokens``."""
        known = [one for one in self.samples if name in one]
        return [one["hours"] for one in known], [one[name] for one in known]

    def slope(self, name: str, warm_up: float) -> dict[str, float]:
        """Fits a line to a curve behind its warm-up.

        Args:
            name: The curve.
            warm_up: Share of the samples that are left out.

        Returns:
            MiB an hour with the 95 % interval of the fit, and MiB where the fit starts and at the end.
        """
        hours, mebibytes = (np.array(one[int(len(one) * warm_up) :]) for one in self.curve(name))
        fit = stats.linregress(hours, mebibytes)
        error = fit.stderr if np.ptp(mebibytes) else 0.0
        reach = float(stats.t.ppf(0.975, len(hours) - 2)) * error
        found = {"slope": fit.slope, "low": fit.slope - reach, "high": fit.slope + reach}
        return {key: round(float(value), 3) for key, value in found.items()} | {
            "first": round(float(mebibytes[0]), 2),
            "last": round(float(mebibytes[-1]), 2),
        }

    def _watch(self) -> None:
        while not self._ended.wait(self._every_s):
            sample = {"hours": (time.monotonic() - self._began) / 3600}
            for name, process in self._workers.items():
                sample[name] = process.memory_info().rss / MIB
            self.samples.append(sample | self._drafter())

    def _drafter(self) -> dict[str, float]:
        """Asks the drafter; nothing where the server is too busy to answer."""
        try:
            self.snapshot = fetch_snapshot(self._servers[DRAFTING].address)
        except SnapshotError:
            return {}
        store = self.snapshot["store"]
        return {
            "index": self.snapshot["index_bytes"] / MIB,
            "store": store["bytes"] / MIB,
            "store_tokens": store["tokens"],
        }
