"""How much of a prompt stands in others too: prompts to train on should not be those that are measured."""

from __future__ import annotations

from collections.abc import Iterable

_WINDOW = 60
"""Characters of a piece."""

_STEP = 7
"""Characters from one piece of a prompt to the next that is looked up."""

_SHARED = 0.3
"""Share of its pieces from which on a prompt counts as seen."""


class SeenText:
    """The pieces of some prompts.

    Args:
        prompts: The prompts.
    """

    def __init__(self, prompts: Iterable[str]) -> None:
        self._pieces = {piece for prompt in prompts for piece in _pieces(prompt, 1)}

    def covers(self, prompt: str) -> bool:
        """Tells whether much of a prompt stands in the others."""
        found = [piece in self._pieces for piece in _pieces(prompt, _STEP)]
        return sum(found) > _SHARED * len(found)


def _pieces(prompt: str, step: int) -> list[str]:
    """Gives the pieces of a prompt; a short one is a piece itself."""
    return [prompt[start : start + _WINDOW] for start in range(0, max(1, len(prompt) - _WINDOW), step)]
