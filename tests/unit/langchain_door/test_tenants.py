"""One retriever for many tenants: a store, filter, budget or model of each request's own, and none of another's."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hashed_words import HashedWords
from langchain_core.documents import Document
from langchain_core.runnables import ConfigurableField
from langchain_core.vectorstores import InMemoryVectorStore

from hola_plugins.langchain import AdaCompRetriever, FaissStore, SentenceCompressor
from hola_plugins.langchain import sentence_vectors as sentence_vectors_module
from hola_plugins.langchain.sentence_vectors import SentenceVectors

EMBEDDINGS = HashedWords(64)
QUERY = "which valve closes"


def documents(tenant, count=4):
    return [
        Document(id=f"{tenant}-{number}", page_content=f"valve {number} closes", metadata={"tenant": tenant})
        for number in range(count)
    ]


def tenants_of(found):
    return {document.metadata["tenant"] for document in found}


class Only:
    """A filter that keeps to itself whom it lets through."""

    def __init__(self, tenant):
        self.tenant = tenant

    def __repr__(self):
        return "Only(***)"

    def __call__(self, document):
        return document.metadata["tenant"] == self.tenant


class Counted(HashedWords):
    """Counts the texts that it embeds."""

    texts = 0

    def embed_documents(self, texts):
        self.texts += len(texts)
        return super().embed_documents(texts)


class Distances(InMemoryVectorStore):
    """A store whose scores are distances, and which can be told to give one document alone."""

    def similarity_search_with_score(self, query, k=4, only=None, **kwargs):
        found = super().similarity_search_with_score(query, k)
        return [(document, 1 - score) for document, score in found if only in (None, document.id)]


def test_a_store_at_the_address_of_one_that_is_gone_answers_for_itself():
    contents = {t: FaissStore.from_documents(documents(t), EMBEDDINGS).passages for t in range(200)}
    base = AdaCompRetriever.from_documents(documents("base"), EMBEDDINGS)

    def ask(tenant):
        store = FaissStore(EMBEDDINGS)
        store.passages = contents[tenant]
        return tenants_of(base.model_copy(update={"source": store}).invoke(QUERY))

    assert [ask(tenant) for tenant in contents] == [{tenant} for tenant in contents]


def test_filters_that_look_the_same_are_told_apart():
    both = [*documents("acme"), *documents("bolt")]
    base = AdaCompRetriever.from_documents(both, EMBEDDINGS)
    configurable = base.configurable_fields(search_kwargs=ConfigurableField(id="kwargs"))

    def ask(tenant):
        return tenants_of(configurable.invoke(QUERY, {"configurable": {"kwargs": {"filter": Only(tenant)}}}))

    asked = ["acme", "bolt"] * 32
    with ThreadPoolExecutor(64) as pool:
        assert list(pool.map(ask, asked)) == [{tenant} for tenant in asked]


def test_a_filter_changed_in_place_counts():
    retriever = AdaCompRetriever.from_documents([*documents("acme"), *documents("bolt")], EMBEDDINGS)
    for tenant in ("acme", "bolt"):
        retriever.search_kwargs["filter"] = {"tenant": tenant}
        assert tenants_of(retriever.invoke(QUERY)) == {tenant}


@pytest.mark.parametrize("kind", [FaissStore, InMemoryVectorStore])
def test_stores_of_earlier_requests_are_let_go(kind):
    base = AdaCompRetriever.from_documents(documents("base"), EMBEDDINGS)
    stores = []
    for tenant in range(40):
        store = kind.from_documents(documents(tenant), EMBEDDINGS)
        stores.append(weakref.ref(store))
        assert tenants_of(base.model_copy(update={"source": store}).invoke(QUERY)) == {tenant}
    del store
    gc.collect()
    assert not any(store() for store in stores[:20])


def test_the_direction_of_scores_is_that_of_the_store_in_all_copies():
    store = Distances.from_documents(documents("acme"), EMBEDDINGS)
    other = InMemoryVectorStore.from_documents(documents("bolt"), EMBEDDINGS)
    base = AdaCompRetriever.from_vectorstore(store)
    known = {one.id: one.similarity for one in base.explain("valve 2 closes", k=4).passages}
    assert known["acme-2"] == max(known.values()) == pytest.approx(1.0)
    alone = base.model_copy(update={"search_kwargs": {"only": "acme-1"}}).explain("valve 2 closes")
    assert [one.similarity for one in alone.passages] == [known["acme-1"]]
    rising = base.model_copy(update={"source": other}).explain("valve 2 closes", k=4).passages
    assert max(rising, key=lambda one: one.similarity).id == "bolt-2"


def test_a_store_at_the_address_of_one_that_is_gone_has_its_own_direction():
    base = AdaCompRetriever.from_documents(documents("base"), EMBEDDINGS)

    def best(kind):
        store = kind.from_documents(documents("acme"), EMBEDDINGS)
        found = base.model_copy(update={"source": store}).explain("valve 2 closes", k=4).passages
        gc.collect()
        return max(found, key=lambda one: one.similarity).id

    assert {best(kind) for kind in (InMemoryVectorStore, Distances) * 30} == {"acme-2"}


def test_budgets_share_the_sentences_that_were_embedded():
    embeddings = Counted(64)
    retriever = AdaCompRetriever.from_documents(documents("acme", 20), embeddings, k=20)
    stored = embeddings.texts
    for budget in range(20, 40):
        retriever.model_copy(update={"token_budget": budget}).invoke(QUERY)
    assert embeddings.texts == stored + 20


def test_sentences_of_all_models_and_budgets_are_bounded(monkeypatch):
    monkeypatch.setattr(sentence_vectors_module, "_REMEMBERED", 8)
    shared, first = SentenceVectors(), HashedWords(64)
    model = weakref.ref(first)
    shared.embed(["a valve", "a pump"], first)
    del first
    gc.collect()
    assert model() is not None
    shared.embed([f"a hose {number}" for number in range(8)], EMBEDDINGS)
    gc.collect()
    assert model() is None


def test_a_model_that_uses_its_memory_again_spoils_no_remembered_sentence():
    class Reused(HashedWords):
        """Gives the same array for every call."""

        memory = np.zeros((1, 64), np.float32)

        def embed_documents(self, texts):
            self.memory[:] = super().embed_documents(texts)
            return self.memory

    shared, model = SentenceVectors(), Reused(64)
    first = shared.embed(["a valve closes"], model)
    shared.embed(["a pump starts"], model)
    assert shared.embed(["a valve closes"], model).tolist() == first.tolist()


def test_models_that_share_their_memory_keep_their_own_vectors():
    shared, texts = SentenceVectors(), ["a valve closes", "a pump starts"]
    models = [HashedWords(64), HashedWords(64, salt="other")]
    for model in models:
        assert shared.embed(texts, model).tolist() == model.embed_documents(texts)
    compressor = SentenceCompressor(token_budget=4, embeddings=models[0], sentence_vectors=shared)
    other = compressor.model_copy(update={"embeddings": models[1]})
    alone = SentenceCompressor(token_budget=4, embeddings=models[1])
    assert other.compress_documents(documents("acme"), QUERY) == alone.compress_documents(
        documents("acme"), QUERY
    )
