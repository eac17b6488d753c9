"""HSD with one more level that fails on purpose."""

from __future__ import annotations

from hola_plugins.hsd.level import Block, Gate, Level, Tokens
from hola_plugins.vllm import HSDProposer


class BrokenLevel:
    """Raises whenever it is asked."""

    name = "broken"
    number = 3

    def learn(self, tokens: Tokens) -> None:
        """Learns nothing."""

    def extend(self, block: Block, gate: Gate) -> None:
        """Fails."""
        raise RuntimeError("on purpose")

    def forget(self, slot: int) -> None:
        """Forgets nothing."""

    def memory_bytes(self) -> int:
        """Holds nothing."""
        return 0


class BrokenProposer(HSDProposer):
    """The proposer under test."""

    def further_levels(self) -> tuple[Level, ...]:
        """Adds the failing level."""
        return (BrokenLevel(),)
