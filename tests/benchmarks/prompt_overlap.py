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
        self._pieces = {
            prompt[start : start + _WINDOW] for prompt in prompts for start in range(len(prompt) - _WINDOW)
        }

    def covers(self, prompt: str) -> bool:
        """Tells whether much of a prompt stands in the others; of one shorter than a piece nothing does."""
        starts = range(0, len(prompt) - _WINDOW, _STEP)
        found = sum(prompt[start : start + _WINDOW] in self._pieces for start in starts)
        return found > _SHARED * len(starts)
