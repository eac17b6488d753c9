"""A question to an index: the passages that are kept, why, and what that saves."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hola_plugins.adacomp.words import approximate_tokens
from hola_plugins.corpus.settings import index_at, read_settings

if TYPE_CHECKING:
    from hola_plugins.adacomp.passage import Passage
    from hola_plugins.langchain import AdaCompRetriever, FaissStore
    from hola_plugins.langchain.explanation import Explanation

CALIBRATION = "calibration.json"
"""File in an index from which the calibration is taken, if there is one."""

USUAL_K = 4
"""Passages that LangChain's retrievers give unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the retriever found.

    Attributes:
        explanation: The decision.
        originals: The passages as they stand in the index, by id.
        tokens: Estimated tokens of the returned texts.
        usual_tokens: Estimated tokens of the `USUAL_K` nearest passages, whole.
    """

    explanation: Explanation
    originals: dict[str, Passage]
    tokens: int
    usual_tokens: int

    @property
    def saved(self) -> float:
        """Share of the usual tokens that is saved; below 0 where more is returned."""
        return 1 - self.tokens / self.usual_tokens if self.usual_tokens else 0.0

    def as_json(self) -> dict[str, Any]:
        """Gives decision, texts and tokens as plain JSON values."""
        documents = [
            {"id": one.id, "source": one.metadata.get("source"), "text": one.page_content}
            for one in self.explanation.documents
        ]
        tokens = {"tokens": self.tokens, "usual_tokens": self.usual_tokens, "saved": round(self.saved, 4)}
        return self.explanation.as_json() | {"documents": documents} | tokens


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """An index that can be asked.

    Attributes:
        folder: Where it lies.
        store: Its passages.
    """

    folder: Path
    store: FaissStore

    def retriever(self, *, calibration: Path | None = None, **settings: Any) -> AdaCompRetriever:
        """Gives AdaComp's retriever, calibrated and with the depths of the calibration where there is one.

        Args:
            calibration: A calibration in place of the index's own.
            settings: Further settings of the retriever; a depth here goes before the calibration's.

        Raises:
            ValueError: No plain file, no calibration, or one of other signals.
            OSError: A calibration that cannot be read.
        """
        from hola_plugins.adacomp import calibration_file
        from hola_plugins.langchain import AdaCompRetriever

        saved = calibration or own_calibration(self.folder)
        if saved is None:
            return AdaCompRetriever.from_vectorstore(self.store, **settings)
        found = calibration_file.load(saved, links=calibration is not None)
        retriever = AdaCompRetriever.from_vectorstore(self.store, **(asdict(found.bounds) | settings))
        retriever.use_calibration(found)
        return retriever

    def ask(self, question: str, *, k: int | None = None, budget: int | None = None) -> Answer:
        """Retrieves for a question.

        Args:
            question: The question.
            k: Exactly this many passages; None lets the depth follow the question.
            budget: Most tokens, estimated; longer passages are cut by sentences. None keeps them whole.

        Raises:
            ValueError: A blank question, a number below 1, or a calibration of other signals.
        """
        explanation = self.retriever(token_budget=budget).explain(question, k)
        usual = self.store.similarity_search(question, k=USUAL_K)
        return Answer(
            explanation=explanation,
            originals={one.id: one for one in self.store.passages.get([s.id for s in explanation.passages])},
            tokens=sum(approximate_tokens(one.page_content) for one in explanation.documents),
            usual_tokens=sum(approximate_tokens(one.page_content) for one in usual),
        )


def own_calibration(index: Path) -> Path | None:
    """Gives what lies in an index in the place of its calibration; None where nothing does."""
    own = index / CALIBRATION
    return own if os.path.lexists(own) else None


def open_index(path: Path) -> OpenIndex:
    """Opens what `hola index` made.

    Args:
        path: The index, or the folder it was made of.

    Raises:
        ValueError: No index there, a damaged one, or another embedding model than it was made with.
        ImportError: A library that is missing; names the extra.
    """
    from hola_plugins.langchain import FaissStore
    from hola_plugins.langchain.sentence_embeddings import SentenceEmbeddings

    folder = index_at(path)
    settings = read_settings(folder)
    embeddings = SentenceEmbeddings(settings.embedding if settings else None)
    return OpenIndex(folder, FaissStore.load(folder, embeddings))
