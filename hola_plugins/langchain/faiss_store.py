"""`FaissStore`: LangChain's vector store on faiss, without pickle, safe to share between threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.passage_store import PassageStore
from hola_plugins.adacomp.source import Float32
from hola_plugins.adacomp.store_folder import read_store, write_store
from hola_plugins.langchain.added_texts import batches_of, passages_of
from hola_plugins.langchain.fingerprints import fingerprint
from hola_plugins.langchain.metadata_filter import MetadataFilter, passing
from hola_plugins.langchain.sources import as_document

IndexChoice = IndexSettings | Literal["flat", "ivf", "hnsw"]


class FaissStore(VectorStore):
    """Documents found by the cosine of their embeddings.

    Flat, hence exact, by default; `IndexSettings(kind="ivf")` and `"hnsw"` search approximately. A filter is
    applied before the search, so that k documents come back if k match. Scores are cosines: higher is nearer.
    Any number of threads may search while others add and delete. `copy.copy` gives another store of the same
    content; a store is not pickled.

        store = FaissStore.from_documents(documents, embedding)
        store.save("index")
        store = FaissStore.load("index", embedding)

    Args:
        embedding: The embedding model.
        index: Kind of index and its sizes, or the kind alone.

    Attributes:
        passages: The content without LangChain; what `hola_plugins.adacomp` searches.
    """

    def __init__(self, embedding: Embeddings, *, index: IndexChoice = "flat") -> None:
        self._embedding = embedding
        settings = index if isinstance(index, IndexSettings) else IndexSettings(kind=index)
        self.passages = PassageStore(settings)

    def __len__(self) -> int:
        return len(self.passages)

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __reduce__(self) -> NoReturn:
        self.passages.__reduce__()

    @property
    def embeddings(self) -> Embeddings:
        """The embedding model."""
        return self._embedding

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """Embeds and adds texts; a text whose id is there already replaces the old one.

        Args:
            texts: The texts.
            metadatas: One mapping a text.
            ids: One id a text; None, or None in the list, makes one up.
            batch_size: Most texts given to the embedding model in one call; None gives it all.

        Returns:
            The ids, in the order of the texts.

        Raises:
            ValueError: Lists of different lengths, a batch_size below 1, or embeddings that cannot be used;
                nothing is added.
        """
        passages = passages_of(list(texts), metadatas, ids)
        embed = self._embedding.embed_documents
        vectors = [vector for batch in batches_of(passages, batch_size) for vector in embed(batch)]
        return self._add(passages, vectors)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        batch_size: int | None = None,
    ) -> list[str]:
        """Does as `add_texts`, with the model's own asynchronous embedding."""
        passages = passages_of(list(texts), metadatas, ids)
        embed = self._embedding.aembed_documents
        vectors = [vector for batch in batches_of(passages, batch_size) for vector in await embed(batch)]
        return await run_in_executor(None, self._add, passages, vectors)

    def delete(self, ids: Sequence[str] | None = None) -> bool:
        """Deletes documents; unknown ids are left out, None deletes all. Gives True."""
        self.passages.delete(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Gives the documents with these ids, in that order; unknown ids are left out."""
        return [as_document(one) for one in self.passages.get(ids)]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Finds the k nearest documents; see `similarity_search_with_score_by_vector` for the keywords."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Finds the k nearest documents and their cosines, highest first."""
        return self.similarity_search_with_score_by_vector(self._embedding.embed_query(query), k, **kwargs)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Finds the k documents nearest to an embedding."""
        return [
            document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, **kwargs)
        ]

    def similarity_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        *,
        filter: MetadataFilter | None = None,  # noqa: A002 - LangChain's name
        effort: int = 1,
    ) -> list[tuple[Document, float]]:
        """Finds the k documents nearest to an embedding and their cosines, highest first.

        Args:
            embedding: The query's embedding.
            k: Most documents wanted, at least 1; fewer come back only where fewer match.
            filter: Which documents may be found.
            effort: Factor on the clusters (ivf) or candidates (hnsw) that this one search visits.

        Raises:
            ValueError: An embedding of another dimension or with a NaN or infinity, k or effort below 1, or an
                operator in a filter.
        """
        vector = np.asarray(embedding, dtype=np.float32)
        found, scores, _ = self._search(vector, k, filter, effort)
        return [(as_document(one), float(score)) for one, score in zip(found, scores, strict=True)]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Does as `similarity_search`, with the model's own asynchronous embedding."""
        return [document for document, _ in await self.asimilarity_search_with_score(query, k, **kwargs)]

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Does as `similarity_search_with_score`, with the model's own asynchronous embedding."""
        vector = await self._embedding.aembed_query(query)
        search = self.similarity_search_with_score_by_vector
        return await run_in_executor(None, search, vector, k, **kwargs)

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Finds k documents that are near the query and unlike one another."""
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Does as `max_marginal_relevance_search`, with the model's own asynchronous embedding."""
        vector = await self._embedding.aembed_query(query)
        search = self.max_marginal_relevance_search_by_vector
        return await run_in_executor(None, search, vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: MetadataFilter | None = None,  # noqa: A002 - LangChain's name
        effort: int = 1,
    ) -> list[Document]:
        """Finds k documents that are near an embedding and unlike one another.

        Args:
            embedding: The query's embedding.
            k: Most documents wanted, at least 1.
            fetch_k: Nearest documents among which to choose.
            lambda_mult: 1 looks at nearness alone, 0 at difference alone.
            filter: Which documents may be found.
            effort: Factor on the clusters (ivf) or candidates (hnsw) that this one search visits.
        """
        if not 0.0 <= lambda_mult <= 1.0:
            raise ValueError(f"lambda_mult must be from 0 to 1, got {lambda_mult}")
        query = np.asarray(embedding, dtype=np.float32)
        found, _, vectors = self._search(query, max(k, fetch_k), filter, effort)
        chosen = maximal_marginal_relevance(query, list(vectors), lambda_mult, k)
        return [as_document(found[place]) for place in chosen]

    def save(self, folder: str | Path) -> None:
        """Saves the store; a kill at any moment leaves the folder readable, with the old or the new content.

        Raises:
            StoreError: A folder that holds something else, or metadata that JSON cannot hold.
        """
        write_store(Path(folder), self.passages.snapshot(), fingerprint(self._embedding))

    @classmethod
    def load(cls, folder: str | Path, embedding: Embeddings) -> Self:
        """Loads a saved store; it answers as the saved one did.

        Args:
            folder: What was given to `save`.
            embedding: The model that the store was made with; one known text is embedded to check that.

        Raises:
            StoreError: No store, another embedding model, a newer version, or a damaged or altered file.
        """
        snapshot = read_store(Path(folder), fingerprint(embedding))
        store = cls(embedding, index=snapshot.settings)
        store.passages = PassageStore.restore(snapshot)
        return store

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        index: IndexChoice = "flat",
    ) -> Self:
        """Makes a store of texts; the arguments are those of the constructor and of `add_texts`."""
        store = cls(embedding, index=index)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def _add(self, passages: list[Passage], vectors: list[list[float]]) -> list[str]:
        """Adds passages with their embeddings."""
        self.passages.add(passages, vectors)
        return [passage.id for passage in passages]

    def _search(
        self, vector: Float32, k: int, wanted: MetadataFilter | None, effort: int
    ) -> tuple[list[Passage], Float32, Float32]:
        """Finds passages, their cosines and their vectors; a filter and its search see the same moment."""
        if wanted is None:
            return self.passages.nearest(vector, k, effort=effort)
        view = self.passages.view()
        allowed = [one.id for one in passing(view.passages, wanted)]
        ids, scores = view.search(vector, k, allowed_ids=allowed, effort=effort)
        return view.get(ids), scores, view.vectors(ids)

    def _select_relevance_score_fn(self) -> Any:
        """Maps a cosine to LangChain's relevance, 0 to 1, higher is nearer."""
        return lambda cosine: min(max((1.0 + cosine) / 2.0, 0.0), 1.0)
