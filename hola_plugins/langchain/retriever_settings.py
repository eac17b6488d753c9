"""Settings of `AdaCompRetriever`: one field each, with its range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from hola_plugins.adacomp.audit import AuditTrail
from hola_plugins.adacomp.evidence import EvidenceFilter
from hola_plugins.adacomp.policy import DepthPolicy
from hola_plugins.adacomp.words import approximate_tokens
from hola_plugins.langchain.compressor import SentenceCompressor
from hola_plugins.langchain.confidence import ModelConfidence
from hola_plugins.langchain.retriever_state import RetrieverState
from hola_plugins.langchain.sources import Hybrid


class RetrieverSettings(BaseRetriever):
    """What a user may set, and the learnt state; no behaviour."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    source: Any
    """A `FaissStore`, any LangChain vector store, or any retriever (used by rank alone)."""

    embeddings: Embeddings | None = None
    """Embeds queries, and sentences for the compressor; by default the vector store's own."""

    symmetric_embeddings: bool = False
    """Whether the model embeds queries as it embeds documents; then `batch` embeds all its queries in one call."""

    k: int | None = Field(default=None, ge=1)
    """Exactly this many passages; None lets the depth follow the query."""

    k_min: int = Field(default=1, ge=1)
    """Fewest passages, where there are any."""

    k_max: int = Field(default=20, ge=1)
    """Most passages."""

    token_budget: int | None = Field(default=None, ge=1)
    """Most total length of the returned texts; longer ones are cut by sentences. None keeps passages whole."""

    length_function: Callable[[str], int] = approximate_tokens
    """Length of a text, in the unit of the budget."""

    target_recall: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Default target of `calibrate`: share of queries that get all their passages (or mean recall)."""

    policy: DepthPolicy | None = None
    """Depth policy; None takes the calibrated one, and before calibration the largest gap. Where it fails, a query
    gets k_max passages in the fused order, and `explain` says why."""

    signals: tuple[Any, ...] = ()
    """Signals that the calibrated policy weighs beside the shape of the scores. One that fails fails the policy.

    What hangs in a signal, a policy or a confidence holds its own query, and the thread that the query runs in, for as
    long as it hangs: a thread cannot be stopped. Give a model that one of them asks a timeout, such as
    ``ChatOpenAI(timeout=2.0, max_retries=0)``: the query then goes on without it. Other queries and changes of the index
    do not wait, but queries of an event loop share its pool of threads, which those that hang can fill.
    """

    min_similarity: float | None = Field(default=None, allow_inf_nan=False)
    """Similarity of the nearest passage under which there is no evidence, finite, on the scale of the source's scores
    (a `FaissStore`: -1 to 1); None takes the calibrated floor."""

    confidence: ModelConfidence | None = None
    """Skips retrieval where the model is sure of its answer without it."""

    compressor: SentenceCompressor | None = None
    """Cuts to a budget; None makes one of `token_budget`."""

    evidence: EvidenceFilter | None = None
    """Rules that a passage must pass before it is returned."""

    audit: AuditTrail | None = None
    """File that gets one JSON line a query."""

    hybrid: Hybrid = "corpus"
    """Passages that BM25 scores: all (of a vector index; else those found), those found, or none."""

    search_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Passed to every search of the source, such as `filter`."""

    score_is_distance: bool | None = None
    """Which way a vector store's scores point; None finds out from their order."""

    first_search: int = Field(default=50, ge=1, le=10_000)
    """Candidates of the first search."""

    most_widenings: int = Field(default=2, ge=0, le=6)
    """Searches that may follow it, each of four times the candidates and the effort."""

    source_key: str = Field(default="source", min_length=1)
    """Key of the metadata that names where a document comes from, for the evidence filter."""

    metadata_key: str | None = Field(default="adacomp", min_length=1)
    """Key of the metadata that says why a document is returned; None leaves the metadata as they are.

    Rank and score follow the query. What tells duplicates by whole documents, as MultiQueryRetriever does, needs None;
    `explain`, the event and the audit trail say the reason all the same. A token budget cuts the texts by the query too,
    and a document that two queries cut differently stays twice.
    """

    state: RetrieverState = Field(default_factory=RetrieverState, repr=False)
    """What was learnt; shared by the copies that LangChain makes of a configured retriever."""
