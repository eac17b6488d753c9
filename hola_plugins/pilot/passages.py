"""The passages that every query is sent with: a fixed number of them, or as AdaComp finds them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from hola_plugins.adacomp.words import approximate_tokens
from hola_plugins.corpus.asking import own_calibration
from hola_plugins.pilot.documents import contains_answer, is_index, labels_of, passage_ids, recall
from hola_plugins.pilot.results import Retrieval
from hola_plugins.pilot.sections import AdaComp, Documents
from hola_plugins.pilot.workload import Query, read_queries

if TYPE_CHECKING:
    from hola_plugins.corpus.asking import OpenIndex
    from hola_plugins.langchain import AdaCompRetriever

Retrieve = Callable[[str], list[Any]]
"""Gives LangChain's documents for a question."""


class Passages(BaseModel):
    """What was retrieved.

    Attributes:
        texts: One list of passages a query.
        retrieval: How well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    texts: tuple[tuple[str, ...], ...]
    retrieval: Retrieval


def fixed_depth(index: OpenIndex, k: int) -> Retrieve:
    """Gives LangChain's own retriever over the index, with k passages a query."""
    retriever = index.store.as_retriever(search_kwargs={"k": k})
    return lambda question: list(retriever.invoke(question))


def adaptive_retriever(index: OpenIndex, settings: AdaComp) -> AdaCompRetriever:
    """Gives AdaComp's retriever over the index, calibrated where there is something to calibrate with.

    Raises:
        ValueError: Labels of which the index holds none, or a calibration of other signals.
    """
    if settings.labels is not None:
        return calibrated_retriever(index, settings, labelled_queries(settings.labels))
    return index.retriever(calibration=settings.calibration, **retriever_arguments(settings))


def calibrated_retriever(index: OpenIndex, settings: AdaComp, labelled: Sequence[Query]) -> AdaCompRetriever:
    """Gives AdaComp's retriever over the index, calibrated with labelled queries.

    Raises:
        ValueError: Labels of which the index holds none.
    """
    from hola_plugins.langchain import AdaCompRetriever

    retriever = AdaCompRetriever.from_vectorstore(index.store, **retriever_arguments(settings))
    _calibrate(index, retriever, labelled, settings.target_recall)
    return retriever


def retriever_arguments(settings: AdaComp) -> dict[str, Any]:
    """Gives the keyword arguments of `AdaCompRetriever.from_vectorstore`."""
    target = {} if settings.labels is None else {"target_recall": settings.target_recall}
    return {"token_budget": settings.token_budget, **target}


def retriever_settings(documents: Documents, settings: AdaComp) -> dict[str, dict[str, Any]]:
    """Gives the arguments of AdaComp's retriever, and the method that calibrates it with its file, by their names."""
    arguments, file = retriever_arguments(settings), _calibration(documents, settings)
    if settings.labels is not None:
        return {"langchain": arguments, "calibration": {"calibrate": str(settings.labels)}}
    if file is None:
        return {"langchain": arguments}
    return {"langchain": _depths(file) | arguments, "calibration": {"load_calibration": str(file)}}


def labelled_queries(path: Path) -> list[Query]:
    """Reads the queries of a file that have labels; raises what `read_queries` does."""
    return [one for one in read_queries(path) if one.relevant or one.answers]


def retrieve_all(retrieve: Retrieve, queries: Sequence[Query], show: Callable[[str], None]) -> Passages:
    """Retrieves for every query, one after the other.

    Args:
        retrieve: Finds the passages of one.
        queries: The queries.
        show: Told how far it is.
    """
    found, seconds = [], []
    retrieve(queries[0].text)  # the embedding model's first call is slow
    for number, query in enumerate(queries, 1):
        show(f"retrieving: query {number} of {len(queries)}")
        began = time.perf_counter()
        found.append(retrieve(query.text))
        seconds.append(time.perf_counter() - began)
    texts = tuple(tuple(one.page_content for one in documents) for documents in found)
    recalls = [recall(query, documents) for query, documents in zip(queries, found, strict=True)]
    known = tuple(one for one in recalls if one is not None)
    return Passages(
        texts=texts,
        retrieval=Retrieval(
            recall=statistics.fmean(known) if known else None,
            tokens=statistics.fmean(sum(map(approximate_tokens, one)) for one in texts),
            skipped=statistics.fmean(not one for one in texts),
            queries=len(queries),
            recalls=known,
            seconds=statistics.fmean(seconds),
        ),
    )


def _calibration(documents: Documents, settings: AdaComp) -> Path | None:
    """Gives the calibration that is used without labels: the one given, or that of an index; None where none is."""
    return settings.calibration or (own_calibration(documents.path) if is_index(documents.path) else None)


def _depths(file: Path) -> dict[str, int]:
    """Gives the depths of a calibration; none of one that cannot be read, with which nothing is retrieved."""
    from hola_plugins.adacomp import calibration_file

    try:
        return asdict(calibration_file.load(file).bounds)
    except (ValueError, OSError):
        return {}


def _calibrate(index: OpenIndex, retriever: Any, labelled: Sequence[Query], target: float) -> None:
    """Fits the retriever to labelled queries: all passages that a query names, or one where it names files or answers."""
    by_text = {query.text: query for query in labelled}

    def is_relevant(question: str, document: Any) -> bool:
        query = by_text[question]
        named = bool(query.relevant & set(labels_of(document)))
        return named or contains_answer(query, document.page_content)

    ids = passage_ids(index, list(by_text.values()))
    retriever.calibrate(list(by_text), is_relevant if ids is None else ids, target=target)
