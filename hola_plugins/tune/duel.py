"""Two servers measured in turn on the same prompts, so that what slows the machine down slows both."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    """

    reference: Figures
    rival: Figures
    cost: float


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
        sides = (reference, rival)
        self.show(f"starting servers: {reference.plan.name}, {rival.plan.name}")
        for side in sides:
            self.fleet.server(side.plan)
        answers: dict[str, list[Request]] = {side.plan.name: [] for side in sides}
        logs: list[float] = []
        for repeat in range(min(self.repeats, len(reference.prompts))):
            for side in sides[:: -1 if repeat % 2 else 1]:
                answers[side.plan.name] += self._round(side, repeat)
            pairs = zip(answers[reference.plan.name], answers[rival.plan.name], strict=True)
            for number, (slow, fast) in enumerate(pairs):
                if number >= len(logs):
                    logs.append(math.log(fast.latency_s / slow.latency_s))
                    if compare is not None:
                        compare(number, logs[-1])
        cost = statistics.fmean(logs)
        found = [self._figures(side.plan, answers[side.plan.name]) for side in sides]
        return Outcome(found[0], found[1].model_copy(update={"speedup": math.exp(-cost)}), cost)

    def alone(self, side: Side) -> Figures:
        """Measures one server by itself; it is its own reference.

        Raises:
            ProcessError: It ended, or a request got no answer.
        """
        self.show(f"starting the server: {side.plan.name}")
        self.fleet.server(side.plan)
        repeats = range(min(self.repeats, len(side.prompts)))
        answers = [one for repeat in repeats for one in self._round(side, repeat)]
        return self._figures(side.plan, answers).model_copy(update={"speedup": 1.0})

    def _round(self, side: Side, repeat: int) -> list[Request]:
        """Sends one side's share of a repeat."""
        dealt = deal(side.prompts, min(self.repeats, len(side.prompts)), repeat)
        doing = f"{side.plan.name}, repeat {repeat + 1} of {self.repeats}"
        server = self.fleet.server(side.plan)
        found = self.traffic.run(
            server.url, dealt, repeat, lambda done: self.show(f"{doing}: {done} of {len(dealt)} answered")
        )
        server.check_running()
        if found.failures:
            raise ProcessError(
                f"{len(found.failures)} requests got no answer, the first: {found.failures[0]}"
            )
        return list(found.requests)

    def _figures(self, plan: ServerPlan, requests: Sequence[Request]) -> Figures:
        """Gives the figures of a server that has answered."""
        seconds = sorted(one.latency_s for one in requests)
        peak, checkpoint = self.fleet.server(plan).peak_memory, checkpoint_bytes(plan.model)
        return Figures(
            latency_s=statistics.fmean(seconds),
            latency_p95_s=seconds[math.ceil(0.95 * len(seconds)) - 1],
            memory_gib=peak / _GIB if peak else None,
            checkpoint_mb=checkpoint / _MB if checkpoint else None,
        )
