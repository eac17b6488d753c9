"""How often the accepted answer is still in the context at a budget: compressed, and whole passages cut to fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hola_plugins.adacomp.sentences import split_sentences
from hola_plugins.adacomp.words import contains_words
from hola_plugins.langchain import SentenceCompressor
from retrieval_pools import Pool, Searched

_PASSAGES = 10
"""Passages that compete for the budget."""


def with_answers(searched: Searched, most: int, seed: int) -> list[Pool]:
    """Draws questions with an accepted answer that some passage among the first holds."""
    pools = [pool for pool in searched.pools if pool.question.answers]
    order = np.random.default_rng(seed).permutation(len(pools))[:most]
    return [pools[row] for row in order]


def sentences_needed(pools: Sequence[Pool]) -> list[str]:
    """Lists the sentences whose embeddings the compressor will ask for."""
    texts = dict.fromkeys(text for pool in pools for text in pool.candidates.texts[:_PASSAGES])
    return list(dict.fromkeys(sentence for text in texts for sentence in split_sentences(text)))


def answer_rates(
    pools: Sequence[Pool], searched: Searched, budgets: Sequence[int], count: Callable[[str], int]
) -> dict[str, dict[str, float]]:
    """Gives by budget how often the answer is in the compressed and in the whole context."""
    rates = {}
    for budget in budgets:
        compressor = SentenceCompressor(
            token_budget=budget, length_function=count, embeddings=searched.store.embeddings
        )
        compressed = whole = 0
        for pool in pools:
            texts = pool.candidates.texts[:_PASSAGES]
            kept = compressor.compress(
                pool.question.text, texts, pool.candidates.fused[:_PASSAGES], pool.vector
            )
            compressed += _answered(pool, " \n ".join(one.text for one in kept))
            whole += _answered(pool, " \n ".join(_cut(texts, budget, count)))
        rates[str(budget)] = {"compressed": compressed / len(pools), "whole": whole / len(pools)}
    return rates


def _cut(texts: Sequence[str], budget: int, count: Callable[[str], int]) -> list[str]:
    """Gives whole passages in order while they fit, and as many words of the next as fit."""
    found = []
    for text in texts:
        if count(text) > budget:
            return [*found, _beginning(text, budget, count)]
        found.append(text)
        budget -= count(text)
    return found


def _beginning(text: str, budget: int, count: Callable[[str], int]) -> str:
    parts = text.split()
    fits, too_many = 0, len(parts) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if count(" ".join(parts[:middle])) <= budget else (fits, middle)
    return " ".join(parts[:fits])


def _answered(pool: Pool, context: str) -> bool:
    return any(contains_words(context, answer) for answer in pool.question.answers)
