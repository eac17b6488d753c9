"""LangChain's indexing API, `langchain_core.indexing.index` and `aindex`, keeps a `FaissStore` up to date."""

from __future__ import annotations

import asyncio

import pytest
from hashed_words import HashedWords
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, aindex, index

from hola_plugins.langchain import AdaCompRetriever, FaissStore


def documents(*texts):
    """One document a text, two a source."""
    return [
        Document(page_content=text, metadata={"source": f"s{number // 2}"})
        for number, text in enumerate(texts)
    ]


class Sync:
    """An index that is kept by `index`."""

    def __init__(self):
        self.store = FaissStore(HashedWords())
        self.records = InMemoryRecordManager("test")
        self.records.create_schema()

    def bring(self, texts, cleanup, **keywords):
        """Brings the store up to these texts; gives how many were added, skipped and deleted."""
        keywords = {"source_id_key": "source", "key_encoder": "sha256", "batch_size": 2} | keywords
        done = self.run(documents(*texts), cleanup, keywords)
        return done["num_added"], done["num_skipped"], done["num_deleted"]

    def run(self, given, cleanup, keywords):
        return index(given, self.records, self.store, cleanup=cleanup, **keywords)

    def texts(self):
        return sorted(self.store.passages.texts.values())


class Async(Sync):
    """One that is kept by `aindex`."""

    def run(self, given, cleanup, keywords):
        return asyncio.run(aindex(given, self.records, self.store, cleanup=cleanup, **keywords))


@pytest.fixture(params=[Sync, Async])
def corpus(request):
    return request.param()


def test_what_is_known_is_skipped(corpus):
    assert corpus.bring(["red", "blue", "green"], None) == (3, 0, 0)
    assert corpus.bring(["red", "blue", "green", "grey"], None) == (1, 3, 0)
    assert corpus.texts() == ["blue", "green", "grey", "red"]


def test_incremental_cleanup_drops_what_its_source_no_longer_holds(corpus):
    corpus.bring(["red", "blue", "green", "grey"], "incremental")
    assert corpus.bring(["red", "azure"], "incremental") == (1, 1, 1)
    assert corpus.texts() == ["azure", "green", "grey", "red"]


@pytest.mark.parametrize("cleanup", ["full", "scoped_full"])
def test_full_cleanup_drops_what_did_not_come(corpus, cleanup):
    corpus.bring(["red", "blue", "green"], cleanup)
    assert corpus.bring(["red", "azure", "green"], cleanup) == (1, 2, 1)
    assert corpus.texts() == ["azure", "green", "red"]


def test_full_cleanup_of_nothing_empties_the_store(corpus):
    corpus.bring(["red", "blue"], "full")
    assert corpus.bring([], "full") == (0, 0, 2)
    assert corpus.texts() == []


def test_a_retriever_answers_from_what_the_index_holds_now(corpus):
    corpus.bring(["the red valve", "the blue pump"], "full")
    retriever = AdaCompRetriever.from_vectorstore(corpus.store)
    assert retriever.invoke("valve", k=1)[0].page_content == "the red valve"
    corpus.bring(["the green valve", "the blue pump"], "full")
    assert retriever.invoke("valve", k=1)[0].page_content == "the green valve"


def test_an_unknown_upsert_keyword_is_refused(corpus):
    with pytest.raises(TypeError, match="vector_field"):
        corpus.bring(["red"], None, upsert_kwargs={"vector_field": "x"})
