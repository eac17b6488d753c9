"""HSD with one more level that fails on purpose."""

from __future__ import annotations

from failing_level import FailingLevel

from hola_plugins.hsd.level import Level
from hola_plugins.vllm import HSDProposer


class FailingProposer(HSDProposer):
    """The proposer under test."""

    def further_levels(self) -> tuple[Level, ...]:
        """Adds the failing level."""
        return (FailingLevel(),)
