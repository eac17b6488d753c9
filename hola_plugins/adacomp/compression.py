"""Choosing sentences to a budget: never over it, never out of order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from hola_plugins.adacomp.cuts import sign_ends, word_ends
from hola_plugins.adacomp.source import Float32

LengthFunction: TypeAlias = Callable[[str], int]
"""Length of a text in the unit of the budget: tokens, words or characters."""

ELISION = " … "
"""Stands for sentences left out between two that are kept."""


@dataclass(frozen=True, slots=True)
class CompressedPassage:
    """What is left of one passage.

    Attributes:
        row: Place of the passage among those given.
        text: The kept sentences, in their order; elisions marked.
        kept: Places of the kept sentences in the passage.
        length: Length of `text`.
        original_length: Length of the whole passage.
        truncated: Whether the text is the beginning of a sentence, because no whole one fits.
    """

    row: int
    text: str
    kept: tuple[int, ...]
    length: int
    original_length: int
    truncated: bool = False


@dataclass(slots=True)
class _Draft:
    """The sentences chosen so far from one passage."""

    sentences: Sequence[str]
    gaps: Sequence[str]
    kept: list[int] = field(default_factory=list)
    length: int = 0

    @property
    def text(self) -> str:
        return join(self.sentences, self.gaps, self.kept)

    def with_sentence(self, place: int) -> tuple[list[int], str]:
        kept = sorted([*self.kept, place])
        return kept, join(self.sentences, self.gaps, kept)


def gaps_before(text: str, sentences: Sequence[str]) -> list[str]:
    """Gives what stands in a text between each of its sentences and the one before it."""
    gaps, end = [], 0
    for sentence in sentences:
        start = text.index(sentence, end)
        gaps.append(text[end:start])
        end = start + len(sentence)
    return gaps


def join(sentences: Sequence[str], gaps: Sequence[str], kept: Sequence[int]) -> str:
    """Puts kept sentences together: neighbours as they stand in the text, others with a mark between them.

    Args:
        sentences: Those of the passage.
        gaps: Theirs, from `gaps_before`.
        kept: Places of the kept sentences, in order.
    """
    parts: list[str] = []
    for position, place in enumerate(kept):
        if position:
            parts.append(gaps[place] if place == kept[position - 1] + 1 else ELISION)
        parts.append(sentences[place])
    return "".join(parts)


def compress(
    texts: Sequence[str],
    sentences: Sequence[Sequence[str]],
    scores: Sequence[Float32],
    budget: int,
    length: LengthFunction,
) -> list[CompressedPassage]:
    """Keeps the best sentences that fit together.

    Sentences are taken greedily by score; one that does not fit is passed over for shorter ones. Where no
    whole sentence fits, the beginning of the best one is kept, so that a small budget is not a silent loss: as many
    words as fit, or signs, in scripts without spaces and where not even the first word fits.

    Args:
        texts: The passages; returned as they are if all fit together.
        sentences: Those of each passage, as they stand in it, in order.
        scores: One a sentence, by passage.
        budget: Most total length of the returned texts, at least 1.
        length: Any function of a text; it need not be additive.

    Returns:
        The passages of which something is kept, in the order given.

    Raises:
        ValueError: A budget under 1.
    """
    if budget < 1:
        raise ValueError(f"token_budget must be >= 1, got {budget}; leave it None for whole passages")
    originals = [length(text) for text in texts]
    if sum(originals) <= budget:
        return [
            CompressedPassage(row, text, tuple(range(len(sentences[row]))), originals[row], originals[row])
            for row, text in enumerate(texts)
        ]
    drafts = [_Draft(some, gaps_before(text, some)) for text, some in zip(texts, sentences, strict=True)]
    left = budget
    for row, place in _by_score(scores):
        left -= _try(drafts[row], place, left, length)
    found = [
        CompressedPassage(row, d.text, tuple(d.kept), d.length, originals[row])
        for row, d in enumerate(drafts)
        if d.kept
    ]
    return found or _beginning(sentences, scores, originals, budget, length)


def _by_score(scores: Sequence[Float32]) -> list[tuple[int, int]]:
    """Gives (passage, sentence) of every sentence, best first; ties in reading order."""
    places = [(row, place) for row, of_passage in enumerate(scores) for place in range(len(of_passage))]
    flat = np.concatenate(scores) if places else np.zeros(0)
    return [places[number] for number in np.argsort(-flat, kind="stable")]


def _try(draft: _Draft, place: int, left: int, length: LengthFunction) -> int:
    """Adds a sentence if it fits; gives what that cost."""
    kept, text = draft.with_sentence(place)
    longer = length(text)
    cost = longer - draft.length
    if cost > left:
        return 0
    draft.kept, draft.length = kept, longer
    return cost


def _beginning(
    sentences: Sequence[Sequence[str]],
    scores: Sequence[Float32],
    originals: Sequence[int],
    budget: int,
    length: LengthFunction,
) -> list[CompressedPassage]:
    """Gives as much of the best sentence as fits; nothing where not even a sign with its marks does."""
    places = _by_score(scores)
    if not places:
        return []
    row, place = places[0]
    sentence = sentences[row][place]
    text = _longest(sentence, word_ends(sentence), budget, length)
    text = text or _longest(sentence, sign_ends(sentence), budget, length)
    if not text:
        return []
    return [CompressedPassage(row, text, (place,), length(text), originals[row], truncated=True)]


def _longest(sentence: str, ends: Sequence[int], budget: int, length: LengthFunction) -> str:
    """Gives the longest beginning with one of these ends that fits; nothing where none does."""
    fits = bisect_right(ends, budget, key=lambda end: length(sentence[:end]))
    return sentence[: ends[fits - 1]] if fits else ""
