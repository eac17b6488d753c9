"""Memory of the servers, kept over all runs of a pilot with the same packages."""

from __future__ import annotations

from collections.abc import Mapping

from hola_plugins.pilot.memory import checkpoint_bytes
from hola_plugins.pilot.results import Memory
from hola_plugins.pilot.server import Server
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.state import State, digest


class Footprints:
    """Keeps the most memory that each server took.

    Args:
        state: What is finished.
        versions: Packages of vLLM's environment, each set of which has figures of its own.
    """

    def __init__(self, state: State, versions: Mapping[str, str]) -> None:
        self._state = state
        self._versions = versions

    def note(self, server: Server) -> None:
        """Notes what a server takes now."""
        before = self.get(server.plan)
        peaks = [one for one in (before.peak, server.peak_memory) if one is not None]
        now = Memory(
            weights=server.weights or before.weights,
            peak=max(peaks, default=None),
            checkpoint=checkpoint_bytes(server.plan.model),
        )
        self._state.put(self._name(server.plan), self._key(server.plan), now.model_dump(mode="json"))

    def get(self, plan: ServerPlan) -> Memory:
        """Gives what was noted of a server; nothing where it never ran."""
        found = self._state.get(self._name(plan), self._key(plan))
        return Memory() if found is None else Memory.model_validate(found)

    def _name(self, plan: ServerPlan) -> str:
        return f"memory-{plan.name}"

    def _key(self, plan: ServerPlan) -> str:
        """Names what the memory of a server follows from."""
        return digest(plan.key(), self._versions)
