"""Rounds of requests: each stage's share of a repeat, measured once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass

from hola_plugins.pilot.contexts import Contexts
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.server import Server
from hola_plugins.pilot.stages import Depth, StagePlan
from hola_plugins.pilot.state import State, digest
from hola_plugins.pilot.traffic import Round, Traffic
from hola_plugins.pilot.workload import Prompt, deal


@dataclass(frozen=True, slots=True)
class Rounds:
    """Measures rounds.

    Attributes:
        traffic: How requests are sent.
        contexts: What is sent, and over how many repeats.
        state: What is finished.
        versions: Packages of vLLM's environment.
    """

    traffic: Traffic
    contexts: Contexts
    state: State
    versions: Mapping[str, str]

    def get(self, plan: StagePlan, repeat: int) -> Round | None:
        """Gives a round that is finished."""
        found = self.state.get(self._name(plan, repeat), self._key(plan, repeat))
        return None if found is None else Round.model_validate(found)

    def measure(
        self, plan: StagePlan, repeat: int, server: Server, answered: Callable[[int, int], None]
    ) -> None:
        """Sends a round and keeps what came of it.

        Args:
            plan: The stage.
            repeat: Number of the repeat.
            server: The stage's server.
            answered: Told how many requests of how many have ended.

        Raises:
            ProcessError: The server ended, lost a request, or answered nothing; nothing is kept then, so that the
                round is measured anew. What it refuses by rule is counted.
        """
        key, prompts = self._key(plan, repeat), self._dealt(plan.depth, repeat)
        found = self.traffic.run(server.url, prompts, repeat, lambda done: answered(done, len(prompts)))
        server.check_running()
        if found.lost:
            server.check_survives()
            count = f"{len(found.lost)} of {len(prompts)} requests"
            raise ProcessError(f"{count} got no answer, the first because: {found.lost[0]}")
        if not found.requests:
            raise ProcessError(f"no request was answered, the first because: {found.failures[0]}")
        self.state.put(self._name(plan, repeat), key, found.model_dump(mode="json"))

    def _dealt(self, depth: Depth, repeat: int) -> list[Prompt]:
        return deal(self.contexts.prompts(depth), self.contexts.repeats, repeat)

    def _name(self, plan: StagePlan, repeat: int) -> str:
        return f"round-{plan.name}-{repeat}"

    def _key(self, plan: StagePlan, repeat: int) -> str:
        """Names what a round follows from."""
        prompts = [astuple(one) for one in self._dealt(plan.depth, repeat)]
        server = plan.server.key() if plan.server else None
        return digest(server, prompts, repr(self.traffic), self.versions)
