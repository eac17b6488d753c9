"""A level that fails on purpose, for the drafter alone and for the engine."""

from __future__ import annotations

from hola_plugins.hsd.level import Block, Gate, Tokens


class FailingLevel:
    """Raises whenever it is asked."""

    name = "failing"
    number = 3

    def learn(self, tokens: Tokens) -> None:
        """Learns nothing."""

    def extend(self, block: Block, gate: Gate) -> None:
        """Fails."""
        raise RuntimeError("on purpose")

    def forget(self, slot: int) -> None:
        """Forgets nothing."""
