"""Two servers measured in turn on the same prompts, so that what slows the machine down slows both."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hola_plugins.pilot.memory import checkpoint_bytes
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.results import Request
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.traffic import Traffic
from hola_plugins.pilot.workload import Prompt, deal
from hola_plugins.tune.limits import Figures

_GIB = 1 << 30
_MB = 10**6

Compare = Callable[[int, float], None]
"""Is told the number of a prompt and the logarithm of the rival's latency over the reference's."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    Attributes:
        plan: Its server.
        prompts: What it is sent; in the order of the other side's.
    """

    plan: ServerPlan
    prompts: Sequence[Prompt]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a duel found.

    Attributes:
        reference: Figures of the reference.
        rival: Figures of the rival.
        cost: Mean logarithm of the rival's latency over the reference's; under 0 where the rival is faster.
        turns: The same repeat by repeat, float[repeats].
    """

    reference: Figures
    rival: Figures
    cost: float
    turns: tuple[float, ...]


@dataclass(slots=True)
class _Tally:
    """What one side has answered so far."""

    side: Side
    requests: list[Request] = field(default_factory=list)
    peak: int = 0

    def figures(self) -> Figures:
        """Gives the figures of all answers."""
        seconds = sorted(one.latency_s for one in self.requests)
        checkpoint = checkpoint_bytes(self.side.plan.model)
        return Figures(
            latency_s=statistics.fmean(seconds),
            latency_p95_s=seconds[math.ceil(0.95 * len(seconds)) - 1],
            memory_gib=self.peak / _GIB if self.peak else None,
            checkpoint_mb=checkpoint / _MB if checkpoint else None,
        )


@dataclass(frozen=True, slots=True)
class Arena:
    """Where servers are compared.

    Attributes:
        fleet: Runs the servers.
        traffic: How requests are sent.
        repeats: Over how many repeats prompts are dealt; the sides take turns in being first.
        show: Told what is being done.
    """

    fleet: Fleet
    traffic: Traffic
    repeats: int
    show: Callable[[str], None]

    def duel(self, reference: Side, rival: Side, compare: Compare | None = None) -> Outcome:
        """Measures both sides.

        Args:
            reference: What the rival is compared with.
            rival: The rival.
            compare: Told how every prompt compares, repeat by repeat; what it raises ends the duel.

        Raises:
            ProcessError: A server ended, or a request got no answer.
        """
        tallies = (_Tally(reference), _Tally(rival))
        self._start([reference, rival])
        logs: list[float] = []
        turns: list[float] = []
        for repeat in self._repeats(reference):
            for tally in tallies[:: -1 if repeat % 2 else 1]:
                self._round(tally, repeat)
            pairs = list(zip(tallies[0].requests, tallies[1].requests, strict=True))
            began = len(logs)
            for known, tried in pairs[began:]:
                logs.append(math.log(tried.latency_s / known.latency_s))
                if compare is not None:
                    compare(len(logs) - 1, logs[-1])
            turns.append(statistics.fmean(logs[began:]))
        cost = statistics.fmean(logs)
        rated = tallies[1].figures().model_copy(update={"speedup": math.exp(-cost)})
        return Outcome(tallies[0].figures(), rated, cost, tuple(turns))

    def alone(self, side: Side) -> Figures:
        """Measures one server by itself; it is its own reference.

        Raises:
            ProcessError: It ended, or a request got no answer.
        """
        tally = _Tally(side)
        self._start([side])
        for repeat in self._repeats(side):
            self._round(tally, repeat)
        return tally.figures().model_copy(update={"speedup": 1.0})

    def _start(self, sides: Sequence[Side]) -> None:
        """Starts servers side by side, where they run together."""
        self.show(f"starting servers: {', '.join(side.plan.name for side in sides)}")
        self.fleet.start([side.plan for side in sides])

    def _repeats(self, side: Side) -> range:
        return range(min(self.repeats, len(side.prompts)))

    def _round(self, tally: _Tally, repeat: int) -> None:
        """Sends one side's share of a repeat."""
        side, repeats = tally.side, self._repeats(tally.side)
        dealt = deal(side.prompts, len(repeats), repeat)
        doing = f"{side.plan.name}, repeat {repeat + 1} of {len(repeats)}"
        self.show(f"{doing}: waiting for the server")
        server = self.fleet.server(side.plan)
        found = self.traffic.run(
            server.url, dealt, repeat, lambda done: self.show(f"{doing}: {done} of {len(dealt)} answered")
        )
        server.check_running()
        if found.failures:
            raise ProcessError(
                f"{side.plan.name}: {len(found.failures)} requests got no answer, the first: {found.failures[0]}"
            )
        tally.requests += found.requests
        tally.peak = max(tally.peak, server.peak_memory or 0)
