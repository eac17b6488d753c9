"""Synthetic questions: candidates whose relevance depends on their scores, as it does in a real search."""

import numpy as np

from hola_plugins.adacomp.calibration import LabelledQuery
from hola_plugins.adacomp.fusion import ranked
from hola_plugins.adacomp.source import WordMatch


def candidates(dense, lexical=None, texts=None):
    n = len(dense)
    lexical = np.zeros(n) if lexical is None else lexical
    match = WordMatch(
        np.asarray(lexical, dtype=np.float32), np.zeros((n, 2), dtype=bool), np.ones(2, dtype=np.float32)
    )
    texts = texts or [f"text of {row}" for row in range(n)]
    return ranked([f"p{row}" for row in range(n)], texts, np.asarray(dense, dtype=np.float32), match)


def labelled(rng, n=40):
    """One question: its relevant passages, one to three, score higher by a margin that varies by question."""
    margin = rng.uniform(0.05, 0.5)
    relevant = rng.permutation(n) < rng.integers(1, 4)
    dense = rng.normal(0.3, 0.1, size=n) + margin * relevant
    found = candidates(dense)
    marks = {f"p{row}" for row in np.flatnonzero(relevant)}
    return LabelledQuery("a question", found, np.array([name in marks for name in found.ids]))
