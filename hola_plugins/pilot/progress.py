"""How far a pilot is, for whoever shows it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told what is done; one step is one unit that a stopped pilot does not do again."""

    def expect(self, steps: int) -> None:
        """Takes note of how many steps there will be in all."""

    def show(self, doing: str) -> None:
        """Takes note of what is being done."""

    def step(self) -> None:
        """Takes note that one step is finished."""
