"""LangChain's own tests of a retriever, whole, over our store, another store, and a plain retriever."""

from __future__ import annotations

from hashed_words import HashedWords
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests

from hola_plugins.langchain import AdaCompRetriever, FaissStore

DOCUMENTS = [
    Document(id=str(number), page_content=f"Valve {number} closes after {number * 7} seconds of {word} flow.")
    for number, word in enumerate(("steam", "water", "oil", "gas", "air", "brine", "acid", "milk"))
]


class _RetrieverTests(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self):
        return AdaCompRetriever

    @property
    def retriever_query_example(self):
        return "Which valve closes first?"


class TestOverFaissStore(_RetrieverTests):
    @property
    def retriever_constructor_params(self):
        store = FaissStore.from_documents(DOCUMENTS, HashedWords())
        return {"source": store, "embeddings": HashedWords()}


class TestOverAnotherVectorStore(_RetrieverTests):
    @property
    def retriever_constructor_params(self):
        return {"source": InMemoryVectorStore.from_documents(DOCUMENTS, HashedWords())}


class TestOverARetriever(_RetrieverTests):
    @property
    def retriever_constructor_params(self):
        store = InMemoryVectorStore.from_documents(DOCUMENTS, HashedWords())
        return {"source": store.as_retriever(search_kwargs={"k": 8})}


class TestCompressed(_RetrieverTests):
    @property
    def retriever_constructor_params(self):
        store = FaissStore.from_documents(DOCUMENTS, HashedWords())
        return {"source": store, "embeddings": HashedWords(), "token_budget": 1000}
