"""Labels for calibration: ids of relevant documents, answers that they contain, or a judge."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

import numpy as np
from langchain_core.documents import Document

from hola_plugins.adacomp.calibration import LabelledQuery
from hola_plugins.adacomp.words import contains_words
from hola_plugins.langchain.sources import Found

Judge: TypeAlias = Callable[[str, Document], bool]
"""Says whether a document is relevant to a query."""

Labels: TypeAlias = Sequence[Collection[str] | str] | Judge
"""One entry a query: ids of its relevant documents, or an answer as a string; or one judge for all."""


def label(queries: Sequence[str], relevant: Labels, search: Callable[[str], Found]) -> list[LabelledQuery]:
    """Searches for every query and marks the relevant candidates.

    Raises:
        ValueError: Another number of labels than of queries, or a blank answer.
    """
    if callable(relevant):
        return [_judged(query, search(query), relevant) for query in queries]
    if len(queries) != len(relevant):
        raise ValueError(
            f"relevant must have one entry a query, got {len(relevant)} for {len(queries)} queries"
        )
    return [
        _answered(query, search(query), entry)
        if isinstance(entry, str)
        else _identified(query, search(query), entry)
        for query, entry in zip(queries, relevant, strict=True)
    ]


def _identified(query: str, found: Found, ids: Collection[str]) -> LabelledQuery:
    """Marks by id; an id that was not found counts as missing."""
    wanted = {*ids}
    marks = np.array([name in wanted for name in found.candidates.ids], dtype=np.bool_)
    return LabelledQuery(query, found.candidates, marks, missing=len(wanted) - int(marks.sum()))


def _answered(query: str, found: Found, answer: str) -> LabelledQuery:
    """Marks what contains the answer, word for word; one such passage suffices."""
    if not answer.strip():
        raise ValueError(
            f"an answer must have a character that is not blank, got {answer!r} for query {query!r}"
        )
    marks = [contains_words(text, answer) for text in found.candidates.texts]
    return _one_suffices(query, found, marks)


def _judged(query: str, found: Found, judge: Judge) -> LabelledQuery:
    """Marks what the judge finds relevant; one such passage suffices."""
    documents = found.fetch(found.candidates.ids)
    marks = [name in documents and judge(query, documents[name]) for name in found.candidates.ids]
    return _one_suffices(query, found, marks)


def _one_suffices(query: str, found: Found, marks: Sequence[bool]) -> LabelledQuery:
    relevant = np.array(marks, dtype=np.bool_)
    return LabelledQuery(
        query, found.candidates, relevant, missing=int(not relevant.any()), one_suffices=True
    )
