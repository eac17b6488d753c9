"""The cross-domain table of retrieval: calibrated with the labels of one domain, measured with those of each."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hola_plugins.pilot.passages import (
    Passages,
    calibrated_retriever,
    fixed_depth,
    labelled_queries,
    retrieve_all,
)
from hola_plugins.pilot.results import CrossDomain, Retrieval
from hola_plugins.pilot.sections import AdaComp, Domain
from hola_plugins.pilot.workload import DataError, Query

if TYPE_CHECKING:
    from hola_plugins.corpus.asking import OpenIndex


def measure_cross_retrieval(
    domains: Sequence[Domain], index: OpenIndex, k: int, settings: AdaComp, show: Callable[[str], None]
) -> tuple[CrossDomain, ...]:
    """Calibrates with every domain's labels and retrieves for every domain's questions.

    Every second labelled question calibrates and the others are measured with, so that a domain is not measured on
    what it was calibrated with.

    Args:
        domains: The domains; each has labels.
        index: The opened index.
        k: Passages of a query without AdaComp, the baseline.
        settings: What AdaComp keeps.
        show: Told what is being done.

    Raises:
        DataError: A domain with fewer than four labelled questions.
        ValueError: Labels of which the index holds none.
    """
    labelled = [labelled_questions(one) for one in domains]
    fixed = fixed_depth(index, k)
    references = [retrieve_all(fixed, queries[1::2], show) for queries in labelled]
    rows: list[CrossDomain] = []
    for fitted, queries in zip(domains, labelled, strict=True):
        show(f"calibrating for {fitted.name}")
        retriever = calibrated_retriever(index, settings, queries[::2])
        for measured, asked, reference in zip(domains, labelled, references, strict=True):
            found = retrieve_all(retriever.invoke, asked[1::2], show)
            rows += _rows(fitted.name, measured.name, found, reference)
    return tuple(rows)


def labelled_questions(domain: Domain) -> list[Query]:
    """Reads a domain's labelled questions.

    Raises:
        DataError: Fewer than four, or a line that cannot be used.
    """
    found = labelled_queries(domain.labels) if domain.labels else []
    if len(found) < 4:
        raise DataError(f"{domain.labels}: {len(found)} labelled questions; half calibrate: give at least 4")
    return found


def _rows(fitted: str, measured: str, found: Passages, reference: Passages) -> list[CrossDomain]:
    """Writes the recall, and the tokens as a share of the baseline's."""
    ours, theirs = found.retrieval, reference.retrieval
    recall = CrossDomain(
        method="adacomp",
        fitted_on=fitted,
        measured_on=measured,
        metric="recall",
        value=ours.recall or 0.0,
        reference=theirs.recall or 0.0,
        stderr=_standard_error(ours),
        questions=ours.queries,
    )
    share = ours.tokens / theirs.tokens if theirs.tokens else 0.0
    tokens = {"metric": "passage_tokens", "value": share, "reference": 1.0, "stderr": None}
    return [recall, recall.model_copy(update=tokens)]


def _standard_error(found: Retrieval) -> float | None:
    """Gives the standard error of a mean recall."""
    recalls = found.recalls
    return statistics.stdev(recalls) / len(recalls) ** 0.5 if len(recalls) > 1 else None
