"""Whether drafts are filled up to the longest, for a host that runs such a step in one graph and others not.

vLLM captures decode steps in full CUDA graphs for one length alone, that of the longest draft for every request
("uniform decode"), and runs all others piece by piece, those without drafts too. Which is faster is measured; and so is
how often a step comes as it was sent, since one that a prompt joins, or of whose drafts a grammar cuts some, is not uniform.
"""

from __future__ import annotations

from hola_plugins.hsd.level import ROOM, SLOT, Block
from hola_plugins.hsd.step_time import StepTimeCurve

_NEWEST = 0.1
"""Weight of the newest step in the share of those that came as sent."""

_MOST_EXPLORED = 1.5
"""Time of a uniform step, over that of one without drafts, up to which it is tried again without hope of a gain."""


class Filling:
    """Decides about one engine's steps.

    Args:
        curve: The step times, which hold those of uniform steps.
        longest: Tokens of the longest draft.
        allowed: Whether the host has such graphs, and filling is wanted.

    Attributes:
        chosen: Whether the drafts of the last call are to be filled up.
        calls: Calls of which they were.
    """

    def __init__(self, curve: StepTimeCurve, longest: int, *, allowed: bool) -> None:
        self._curve = curve
        self._longest = longest
        self._allowed = allowed
        self._possible = False
        self._came = False
        self._share = 1.0
        self.chosen = False
        self.calls = 0

    def is_uniform(self, rows: int, tokens: int) -> bool:
        """Tells whether a step of ``rows`` requests that ran ``tokens`` tokens had a longest draft for each."""
        return self._allowed and tokens == self._tokens(rows)

    def came(self, as_sent: bool) -> None:
        """Notes that the requests of the last call alone were in the step, and whether with all that was sent."""
        self._came = as_sent

    def next_call(self) -> None:
        """Takes in how the last step came, and chooses nothing yet."""
        if self._possible:
            self._share += _NEWEST * (self._came - self._share)
        self._possible = self._came = self.chosen = False

    def consider(self, block: Block, rows: int, drafting: int) -> bool:
        """Tells whether each request of the next step can have a longest draft."""
        if self._allowed and drafting == rows:
            state = block.state[:rows]
            self._possible = bool((state[:, SLOT] >= 0).all() and (state[:, ROOM] == self._longest).all())
        return self._possible

    def choose_if_faster(self, rows: int, expected: float, goodput: float) -> None:
        """Chooses to fill where that gives more tokens in the time of a step.

        Args:
            rows: Requests in the step.
            expected: Tokens expected of all that was drafted.
            goodput: Expected tokens over relative time of the best step that is not filled up.
        """
        tokens = self._tokens(rows)
        whole = self._curve.uniform(rows, tokens)
        seconds = self._share * whole + (1.0 - self._share) * self._curve.table(rows)[tokens]
        self._choose(bool(expected > goodput * seconds))

    def choose_to_explore(self, rows: int) -> None:
        """Chooses to fill so that its time is known, unless it is known to cost much."""
        whole = self._curve.uniform(rows, self._tokens(rows))
        self._choose(bool(whole <= _MOST_EXPLORED * self._curve.table(rows)[rows]))

    def _tokens(self, rows: int) -> int:
        """Gives the tokens of a uniform step."""
        return rows * (1 + self._longest)

    def _choose(self, chosen: bool) -> None:
        self.chosen = chosen
        self.calls += chosen
