"""Whether an answer is grounded: what of it stands in the evidence, sentence by sentence.

Without a model a sentence is supported by the share of its content words in the passage that holds most of them, in
whatever inflection, and not at all when it names a number that no passage has: wrong figures are what readers act on.
A number is the same in the digits of any script and with any separator of thousands (see `figures.Figures`).
What an answer repeats of the question is no claim: its words and numbers do not count. Words say nothing of negation
or of who did what to whom; for that give an entailment classifier (as in SummaC, arXiv 2111.09525: the best passage
decides for each sentence).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hola_plugins.adacomp.figures import Figures, figures_of
from hola_plugins.adacomp.inflections import Vocabulary
from hola_plugins.adacomp.sentences import split_sentences
from hola_plugins.adacomp.words import words

Entails = Callable[[str, str], float]
"""Gives the probability that the first text entails the second."""

_CITATION = re.compile(r"\[\d+(?:\s*[,;–-]\s*\d+)*\]")  # noqa: RUF001
_LISTED = re.compile(r"\s*(\d{1,9})[.)]\s+")
_SHORT = 3
"""Longest word that counts as a function word."""


@dataclass(frozen=True, slots=True)
class Support:
    """How well one sentence of an answer is supported.

    Attributes:
        sentence: The sentence.
        support: 0 to 1: share of content words, or probability of entailment.
        passage: Number of the passage that supports it best, from 0; None without evidence.
        unknown: Its numbers that no passage has and, without a classifier, its content words that the passage lacks.
    """

    sentence: str
    support: float
    passage: int | None
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What a passage says: its words and figures."""

    words: Vocabulary
    figures: Figures


def supports(
    answer: str, evidence: Sequence[str], entails: Entails | None = None, question: str = ""
) -> list[Support]:
    """Judges every sentence of an answer; citations like [1] or [1, 2] and the numbering of a list are left out of it.

    Args:
        answer: The answer.
        evidence: The passages that it was given.
        entails: A classifier; None counts words.
        question: What was asked.
    """
    text = _without_numbering(_CITATION.sub("", answer))
    sentences = [one for one in map(str.strip, split_sentences(text)) if words(one)]
    known = [_Known(Vocabulary(words(passage)), Figures.of(passage)) for passage in evidence]
    numbers = Figures.together([*(one.figures for one in known), Figures.of(question)])
    asked = frozenset(words(question))
    return [_support(sentence, evidence, known, numbers, asked, entails) for sentence in sentences]


def _support(
    sentence: str,
    evidence: Sequence[str],
    known: Sequence[_Known],
    numbers: Figures,
    asked: frozenset[str],
    entails: Entails | None,
) -> Support:
    """Judges one sentence."""
    invented = tuple(one for one in figures_of(sentence) if one not in numbers)
    if not evidence:
        return Support(sentence, 0.0, None, invented)
    if entails is not None:
        chances = [entails(passage, sentence) for passage in evidence]
        best = max(range(len(evidence)), key=chances.__getitem__)
        return Support(sentence, 0.0 if invented else chances[best], best, invented)
    content, lacking = _lacking(sentence, known, asked)
    best = min(range(len(evidence)), key=lambda place: len(lacking[place]))
    share = 1.0 - len(lacking[best]) / content
    missing = tuple(sorted(lacking[best].difference(invented)))
    return Support(sentence, 0.0 if invented else share, best, invented + missing)


def _lacking(sentence: str, known: Sequence[_Known], asked: frozenset[str]) -> tuple[int, list[set[str]]]:
    """Counts what a sentence says, its content words or figures alone, and gives what of it each passage lacks."""
    content, figures = _content_words(sentence), {*figures_of(sentence)}
    if figures and not content:
        return len(figures), [{one for one in figures if one not in passage.figures} for passage in known]
    said = (content - asked) or content or {*words(sentence)}
    return len(said), [{word for word in said if word not in passage.words} for passage in known]


def _without_numbering(text: str) -> str:
    """Takes the numbers off the items of a list that counts from one."""
    lines = text.splitlines()
    item = 1
    for place, line in enumerate(lines):
        found = _LISTED.match(line)
        if found and int(found[1]) == item:
            lines[place] = line[found.end() :]
            item += 1
    return "\n".join(lines)


def _content_words(sentence: str) -> set[str]:
    """Gives the words that say something, without figures; the short ones where none is long enough."""
    found = {word for word in words(sentence) if not word.isdecimal()}
    long = {word for word in found if len(word) > _SHORT or not word.isascii()}
    return long or found
