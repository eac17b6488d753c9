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

_READ = 5000
"""Characters of a source that are read."""


class NamedByBetter:
    """How much of a passage's beginning the best passages bring that the question does not.

    A question in two steps ("Where was the director of Jaws born?") finds the first passage, which names the second
    (Steven Spielberg), whose own text may share no word with the question.
    """

    names = ("named_by_better",)

    def measure(self, query: str, candidates: Candidates) -> Float64:
        """Gives float64[n, 1], between 0 and 1; all 0 for a source that does not know the first words."""
        named = np.zeros((len(candidates), 1))
        heads = candidates.words.heads
        if heads is None:
            return named
        worth = heads.worth.astype(np.float64)
        total = np.maximum(worth.sum(axis=1), 1e-9)
        asked = {*words(query)}
        for row, text in enumerate(candidates.texts[:_SOURCES]):
            brought = heads.holding({*words(text[:_READ])} - asked)
            share = (brought * worth).sum(axis=1) / total
            share[row] = 0.0
            fall = float(candidates.fused[row] - candidates.fused[0])
            np.maximum(named[:, 0], share * np.exp(fall / _SCALE), out=named[:, 0])
        return named
