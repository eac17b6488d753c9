"""Rows in which stretches of tokens come again, where nothing helps but looking back.

A model that learns them grows induction heads ("In-context Learning and Induction Heads", arXiv 2209.11895), which
text alone gives models of this size only after far more of it.
"""

import random
from collections.abc import Callable

import torch
from torch import Tensor

SHORTEST = 4
IGNORED = -100
"""Label of a token that the loss leaves out."""


class Recurring:
    """Draws such rows: half of the stretches are random tokens, a quarter text, a quarter text out of order.

    Args:
        text: Gives so many token ids of text, or fewer.
        first: Lowest token id that may be drawn.
        vocabulary: One more than the highest.
        seed: Seed of what is drawn.
    """

    def __init__(self, text: Callable[[int], list[int]], first: int, vocabulary: int, seed: float) -> None:
        self._text = text
        self._tokens = range(first, vocabulary)
        self._rng = random.Random(seed)

    def batch(self, rows: int, length: int) -> tuple[Tensor, Tensor]:
        """Return token ids and labels, both [rows, length]; only what comes again is labelled."""
        drawn = [self.row(length) for _ in range(rows)]
        return torch.tensor([ids for ids, _ in drawn]), torch.tensor([labels for _, labels in drawn])

    def row(self, length: int) -> tuple[list[int], list[int]]:
        """Return the token ids and labels of one row."""
        ids: list[int] = []
        labels: list[int] = []
        longest = SHORTEST + 1 + int(self._rng.random() ** 2 * length / 2)
        while len(ids) < length:
            stretch = self._stretch(self._rng.randint(SHORTEST, longest))
            for again in range(self._rng.randint(2, 3)):
                ids += [*stretch, *self._random(1)]
                foreseeable = stretch[1:] if again else [IGNORED] * (len(stretch) - 1)
                labels += [IGNORED, *foreseeable, IGNORED]
        return ids[:length], labels[:length]

    def _stretch(self, length: int) -> list[int]:
        kind = self._rng.choice(("random", "random", "text", "out of order"))
        if kind == "random":
            return self._random(length)
        text = self._text(length)
        return self._rng.sample(text, len(text)) if kind == "out of order" else text

    def _random(self, length: int) -> list[int]:
        return self._rng.choices(self._tokens, k=length)
