"""`AdaCompRetriever`: a LangChain retriever whose depth follows the query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import RunnableConfig, run_in_executor
from langchain_core.vectorstores import VectorStore
from pydantic import model_validator

from hola_plugins.adacomp import calibration_file
from hola_plugins.adacomp.calibrated import CalibratedPolicy
from hola_plugins.adacomp.calibration import Calibration, Promise, calibrate
from hola_plugins.adacomp.decision import DepthBounds
from hola_plugins.adacomp.gate import EvidenceGate
from hola_plugins.adacomp.naming import NamedByBetter
from hola_plugins.adacomp.pipeline import DepthPlan
from hola_plugins.adacomp.policy import DepthPolicy, GapPolicy
from hola_plugins.adacomp.signals import ScoreShape, Signal, WordCoverage
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.widening import SearchStep
from hola_plugins.langchain.compressor import SentenceCompressor
from hola_plugins.langchain.events import report, report_async
from hola_plugins.langchain.explanation import Explanation
from hola_plugins.langchain.faiss_store import FaissStore
from hola_plugins.langchain.labels import Labels, label
from hola_plugins.langchain.listed_source import ScoreDirection
from hola_plugins.langchain.query_run import QueryRun, check_query
from hola_plugins.langchain.query_vectors import aembed, embed, embedded_together
from hola_plugins.langchain.retriever_settings import RetrieverSettings
from hola_plugins.langchain.sources import Source, source_of


class AdaCompRetriever(RetrieverSettings):
    """Retrieves as many passages as the query needs: none, a few, or many after a wider search.

        retriever = AdaCompRetriever.from_documents(documents, embeddings)
        retriever.calibrate(questions, relevant=[{"doc-3"}, {"doc-7", "doc-9"}, ...])
        retriever.invoke("Which valve closes first?")

    Without calibration the depth follows the largest gap in the scores, and something always comes back. With it
    the depth follows the calibrated relevance, and a question that the corpus has nothing on gets nothing, from
    about 50 labels on (see `false_skips` of `calibrate`). An explicit `k`, here or in `invoke`, gives exactly k.
    Documents are copies; their metadata says why they are there, unless `metadata_key` is None. Any number of threads
    may share a retriever.

    Raises:
        pydantic.ValidationError: A setting out of range, or an operator in the filter of a vector index.
        TypeError: A source that cannot be searched, or a filter that is neither a mapping nor callable.
    """

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._bounds()
        self._source()
        return self

    @classmethod
    def from_documents(cls, documents: Sequence[Document], embeddings: Embeddings, **settings: Any) -> Self:
        """Indexes documents in a `FaissStore` and retrieves from it."""
        return cls.from_vectorstore(FaissStore.from_documents(list(documents), embeddings), **settings)

    @classmethod
    def from_vectorstore(cls, store: VectorStore, **settings: Any) -> Self:
        """Retrieves from any vector store, with its own embeddings unless others are given."""
        settings.setdefault("embeddings", store.embeddings)
        settings.setdefault(
            "tags",
            [
                type(store).__name__,
                *([type(store.embeddings).__name__] if store.embeddings is not None else []),
            ],
        )
        return cls(source=store, **settings)

    @classmethod
    def from_retriever(cls, retriever: BaseRetriever, **settings: Any) -> Self:
        """Retrieves from any retriever: its order and BM25 over what it gives decide the depth."""
        return cls(source=retriever, **settings)

    @property
    def calibration(self) -> Calibration | None:
        """What `calibrate`, `load_calibration` or `use_calibration` put into effect; None before."""
        return self.state.calibration

    def calibrate(
        self,
        queries: Sequence[str],
        relevant: Labels,
        *,
        target: float | None = None,
        promise: Promise = "coverage",
        false_skips: float = 0.02,
        weights: Calibration | None = None,
    ) -> Calibration:
        """Fits depth and none-gate to labelled queries; takes effect at once, in all copies.

        Args:
            queries: Real questions to this corpus; 200 are good, under 1 / (1 - target) - 1 promise nothing.
            relevant: One entry a query, either the ids of all its relevant documents (a collection), or an
                answer that a relevant document contains (a string, any one document suffices); or a function of
                query and document that says whether it is relevant (any one suffices here as well: give ids where
                all are needed).
            target: Share wanted, in (0, 1); by default `target_recall`, else 0.9.
            promise: coverage: that share of queries gets all relevant documents, or one where one suffices. recall:
                mean recall. Either holds for queries that the none-gate lets through.
            false_skips: Share of such queries that the none-gate may turn away besides, in (0, 1). With fewer labels
                than 1 / false_skips - 1, 49 by default, it never closes; the warnings of the calibration say so.
            weights: A calibration from another corpus: its weights are kept and only the thresholds are fitted,
                for which about 50 queries do.

        Raises:
            ValueError: Lists of different lengths, no relevant document at all, a share out of range, or weights of
                other signals.
        """
        if weights is not None:
            CalibratedPolicy(weights, self._signals())
        wanted = target if target is not None else self.target_recall
        examples = label(queries, relevant, self._first_found)
        calibration = calibrate(
            examples,
            self._signals(),
            target=0.9 if wanted is None else wanted,
            promise=promise,
            bounds=self._bounds(),
            false_skips=false_skips,
            model=weights.model if weights is not None else None,
        )
        return self.use_calibration(calibration)

    def use_calibration(self, calibration: Calibration) -> Calibration:
        """Puts a calibration into effect, in all copies; a ValueError refuses one of other signals."""
        CalibratedPolicy(calibration, self._signals())
        self.state.calibration = calibration
        return calibration

    def save_calibration(self, path: str | Path) -> None:
        """Writes the calibration as JSON.

        Raises:
            ValueError: There is none yet.
        """
        if self.calibration is None:
            raise ValueError("there is no calibration to save: call calibrate first")
        calibration_file.save(self.calibration, Path(path))

    def load_calibration(self, path: str | Path) -> Calibration:
        """Reads a calibration and puts it into effect.

        Raises:
            ValueError: Not a calibration, or one of other signals.
            OSError: The file cannot be read.
        """
        return self.use_calibration(calibration_file.load(Path(path)))

    def explain(self, query: str, k: int | None = None) -> Explanation:
        """Retrieves and tells everything: every passage of the last search, what was dropped, and why."""
        return self._explain(query, k, None)

    def batch(
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[list[Document]]:
        """Does as `invoke` for every query, in threads; embeds them in one call where the model has `embed_queries`.

        See `symmetric_embeddings` for models that have not.
        """
        with embedded_together(self.embeddings, inputs, symmetric=self.symmetric_embeddings):
            return super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)

    async def abatch(
        self,
        inputs: list[str],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[list[Document]]:
        """Does as `batch`, in tasks."""
        with embedded_together(self.embeddings, inputs, symmetric=self.symmetric_embeddings):
            return await super().abatch(inputs, config, return_exceptions=return_exceptions, **kwargs)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        explanation = self._explain(query, k, run_manager.get_child())
        report(explanation, run_manager)
        return list(explanation.documents)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        run = self._run(query, k)
        source = self._source()
        vector = await aembed(self.embeddings, query) if source.takes_vectors else None
        step = await run_in_executor(None, run.start, vector)
        while step is not None:
            found = await source.asearch(query, vector, step, run_manager.get_child())
            step = await run_in_executor(None, run.advance, found)
        explanation = await run_in_executor(None, run.finish)
        await report_async(explanation, run_manager)
        return list(explanation.documents)

    def _explain(self, query: str, k: int | None, callbacks: Any) -> Explanation:
        run = self._run(query, k)
        source = self._source()
        vector = self._vector(query, source)
        step = run.start(vector)
        while step is not None:
            step = run.advance(source.search(query, vector, step, callbacks))
        return run.finish()

    def _vector(self, query: str, source: Source) -> Float32 | None:
        """Embeds the query where the search takes that; other stores embed it themselves."""
        return embed(self.embeddings, query) if source.takes_vectors else None

    def _run(self, query: str, k: int | None) -> QueryRun:
        """Prepares one query; refuses what is none."""
        check_query(query, k)
        calibration, own_gate = self.calibration, self.min_similarity is None
        return QueryRun(
            query=query,
            plan=self._plan(k if k is not None else self.k, calibration),
            source=type(self.source).__name__,
            search_kwargs=self.search_kwargs,
            confidence=self.confidence,
            evidence=self.evidence,
            compressor=self._compressor(),
            source_key=self.source_key,
            metadata_key=self.metadata_key,
            audit=self.audit,
            warn_once=self.state.warn_once,
            warnings=calibration.warnings_with(self._bounds(), own_gate=own_gate) if calibration else (),
        )

    def _plan(self, k: int | None, calibration: Calibration | None) -> DepthPlan:
        return DepthPlan(
            policy=self._policy(calibration),
            bounds=self._bounds(),
            gate=self._gate(calibration),
            k=k,
            first_search=self.first_search,
            most_widenings=self.most_widenings,
        )

    def _policy(self, calibration: Calibration | None) -> DepthPolicy:
        if self.policy is not None:
            return self.policy
        if calibration is not None:
            return CalibratedPolicy(calibration, self._signals())
        return GapPolicy()

    def _gate(self, calibration: Calibration | None) -> EvidenceGate | None:
        if self.min_similarity is not None:
            return EvidenceGate(self.min_similarity, coverage_worth=0.0)
        return None if calibration is None else EvidenceGate(calibration.floor)

    def _compressor(self) -> SentenceCompressor | None:
        if self.compressor is not None or self.token_budget is None:
            return self.compressor
        return self.state.compressor(self.token_budget, self.length_function, self.embeddings)

    def _signals(self) -> tuple[Signal, ...]:
        return (ScoreShape(), WordCoverage(), NamedByBetter(), *self.signals)

    def _bounds(self) -> DepthBounds:
        return DepthBounds(self.k_min, self.k_max)

    def _source(self) -> Source:
        """Opens the source as it is set now; nothing of another retriever's source or filter is kept."""
        told = self.score_is_distance
        direction_of = self.state.direction if told is None else lambda _: ScoreDirection(told)
        return source_of(self.source, self.embeddings, self.hybrid, self.search_kwargs, direction_of)

    def _first_found(self, query: str) -> Any:
        """Searches once, as every query does first."""
        source = self._source()
        return source.search(query, self._vector(query, source), SearchStep(self.first_search), None)

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        params = super()._get_ls_params(**kwargs)
        if isinstance(self.source, VectorStore):
            params["ls_vector_store_provider"] = type(self.source).__name__
        if self.embeddings is not None:
            params["ls_embedding_provider"] = type(self.embeddings).__name__
        return params
