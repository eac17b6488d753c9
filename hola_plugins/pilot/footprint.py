"""Memory of the servers, kept over all runs of a pilot."""

from __future__ import annotations

from hola_plugins.pilot.memory import checkpoint_bytes
from hola_plugins.pilot.results import Memory
from hola_plugins.pilot.server import Server
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.state import State


class Footprints:
    """Keeps the most memory that each server took.

    Args:
        state: What is finished.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def note(self, server: Server) -> None:
        """Notes what a server takes now."""
        before = self.get(server.plan)
        peaks = [one for one in (before.peak, server.peak_memory) if one is not None]
        now = Memory(
            weights=server.weights or before.weights,
            peak=max(peaks, default=None),
            checkpoint=checkpoint_bytes(server.plan.model),
        )
        self._state.put(self._name(server.plan), server.plan.key(), now.model_dump(mode="json"))

    def get(self, plan: ServerPlan) -> Memory:
        """Gives what was noted of a server; nothing where it never ran."""
        found = self._state.get(self._name(plan), plan.key())
        return Memory() if found is None else Memory.model_validate(found)

    def _name(self, plan: ServerPlan) -> str:
        return f"memory-{plan.name}"
