"""The signal of the second hop: a passage that begins with what a better passage speaks of."""

from __future__ import annotations

import numpy as np

from hola_plugins.adacomp.signals import Float64
from hola_plugins.adacomp.source import Candidates
from hola_plugins.adacomp.words import words

_SOURCES = 3
"""Passages at the top whose words are looked at."""

_SCALE = 0.1
"""Fused score below the best at which a passage counts a third as a source."""


class NamedByBetter:
    """How much of a passage's beginning the best passages bring that the question does not.

    A question in two steps ("Where was the director of Jaws born?") finds the first passage, which names the second
    (Steven Spielberg), whose own text may share no word with the question.
    """

    names = ("named_by_better",)

    def measure(self, query: str, candidates: Candidates) -> Float64:
        """Gives float64[n, 1], between 0 and 1; all 0 for a source that does not know the first words."""
        heads, n = candidates.words.heads, len(candidates)
        if heads is None or not n:
            return np.zeros((n, 1))
        shares = heads.shares(min(_SOURCES, n), besides={*words(query)})
        fall = candidates.fused[: len(shares)].astype(np.float64) - float(candidates.fused[0])
        named: Float64 = (shares * np.exp(fall / _SCALE)[:, None]).max(axis=0)
        return named[:, None]
