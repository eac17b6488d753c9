"""The candidates of every question of a workload, searched once and shared by all policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from beir_data import Question, Workload
from embedding_cache import KnownVectors
from hola_plugins.adacomp.calibration import LabelledQuery
from hola_plugins.adacomp.lexical import LexicalIndex
from hola_plugins.adacomp.probe import probe
from hola_plugins.adacomp.source import Candidates, Float32
from hola_plugins.langchain import FaissStore

POOL = 50
"""Candidates asked of each search, as the retriever's default."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One question with its candidates, best fused score first, and what is known of them.

    Attributes:
        question: The question.
        vector: Its embedding, float32[384].
        candidates: What the search found.
        relevant: Which candidates are relevant, bool[n].
        needed: Number of relevant passages, found or not.
        tokens: Tokens of each candidate, int[n].
    """

    question: Question
    vector: Float32
    candidates: Candidates
    relevant: np.ndarray
    needed: int
    tokens: np.ndarray

    def labelled(self) -> LabelledQuery:
        """Gives the pool as a label for calibration."""
        missing = self.needed - int(self.relevant.sum())
        return LabelledQuery(self.question.text, self.candidates, self.relevant, missing)


@dataclass(frozen=True, slots=True)
class Searched:
    """A workload, indexed and searched."""

    workload: Workload
    store: FaissStore
    lexical: LexicalIndex
    pools: list[Pool]


def search_all(workload: Workload, vectors: KnownVectors, count: Callable[[str], int]) -> Searched:
    """Indexes the passages in a flat `FaissStore` and searches every question; `count` counts tokens of a text."""
    ids, texts = list(workload.passages), list(workload.passages.values())
    store = FaissStore.from_texts(texts, vectors, ids=ids)
    view, lexical = store.passages.view(), LexicalIndex(workload.passages)
    lengths = {name: count(text) for name, text in workload.passages.items()}
    pools = []
    for question in workload.questions:
        vector = vectors.known[question.text]
        found = probe(view, lexical, question.text, vector, POOL)
        pools.append(
            Pool(
                question,
                vector,
                found,
                np.array([name in question.relevant for name in found.ids]),
                len(question.relevant),
                np.array([lengths[name] for name in found.ids]),
            )
        )
    return Searched(workload, store, lexical, pools)
