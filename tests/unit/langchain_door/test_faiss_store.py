"""`FaissStore` as LangChain's users see it, beyond the standard tests."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hashed_words import HashedWords
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.manifest import StoreError
from hola_plugins.adacomp.passage_store import PassageStore
from hola_plugins.langchain import AdaCompRetriever, FaissStore

TEXTS = ["the cat sat", "the cat sat down", "a dog ran", "a bird flew away"]


@pytest.fixture
def store():
    metadatas = [{"n": number, "kind": "pet" if number < 3 else "wild"} for number in range(4)]
    return FaissStore.from_texts(TEXTS, HashedWords(), metadatas, ids=["a", "b", "c", "d"])


def ids(documents):
    return [document.id for document in documents]


def test_a_store_of_passages_is_a_source_too(store):
    passages = PassageStore.restore(store.passages.snapshot())
    alone = AdaCompRetriever(source=passages, embeddings=HashedWords())
    assert alone.invoke("the cat sat") == AdaCompRetriever.from_vectorstore(store).invoke("the cat sat")
    with pytest.raises(ValueError, match="embeddings must be given with a vector index"):
        AdaCompRetriever(source=passages)


def test_scores_are_cosines_and_the_best_comes_first(store):
    found = store.similarity_search_with_score("the cat sat", k=4)
    assert (found[0][0].id, found[0][1]) == ("a", pytest.approx(1.0))
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert -1.0 <= scores[-1] < scores[0]


def test_relevance_rises_with_the_cosine(store):
    found = store.similarity_search_with_relevance_scores("the cat sat", k=4)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert found[0][1] == pytest.approx(1.0)
    near = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9}
    )
    assert ids(near.invoke("the cat sat")) == ["a", "b"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"kind": "wild"}, ["d"]),
        ({"n": [1, 2]}, ["b", "c"]),
        ({"n": [1, 2], "kind": "pet"}, ["b", "c"]),
        ({"missing": 1}, []),
        ({}, ["a", "b", "c", "d"]),
        (lambda document: document.metadata["n"] % 2 == 1, ["b", "d"]),
        (lambda document: "cat" in document.page_content, ["a", "b"]),
    ],
)
def test_a_filter_comes_before_the_search(store, wanted, expected):
    assert sorted(ids(store.similarity_search("the cat sat", k=4, filter=wanted))) == expected
    assert sorted(ids(store.max_marginal_relevance_search("the cat sat", k=4, filter=wanted))) == expected


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_few_matches_among_many_are_all_found(kind):
    texts = [f"word{number} common" for number in range(2000)]
    metadatas = [{"rare": number % 500 == 0} for number in range(2000)]
    embedding = DeterministicFakeEmbedding(size=16)
    store = FaissStore.from_texts(texts, embedding, metadatas, index=IndexSettings(kind=kind, lists=8))
    found = store.similarity_search("word3", k=4, filter={"rare": True})
    assert len(found) == 4
    assert all(document.metadata["rare"] for document in found)


def test_a_filter_and_its_search_see_the_same_moment(store):
    def replaces(document):
        store.add_texts(["something else"], ids=["a"])
        return True

    assert ids(store.similarity_search("the cat sat", k=1, filter=replaces)) == ["a"]
    assert store.similarity_search("something else", k=1)[0].page_content == "something else"
    assert "d" in ids(
        store.max_marginal_relevance_search("a bird", k=4, filter=lambda _: store.delete(["d"]))
    )


def test_a_search_without_a_filter_after_a_change_copies_no_ids(store, monkeypatch):
    monkeypatch.delattr(PassageStore, "view")
    store.add_texts(["a fish swam"], ids=["e"])
    assert ids(store.similarity_search("a fish swam", k=1)) == ["e"]
    assert ids(store.max_marginal_relevance_search("a fish swam", k=1)) == ["e"]


def test_a_filter_that_is_none_is_refused(store):
    with pytest.raises(TypeError, match="filter must be a mapping such as"):
        store.similarity_search("cat", filter=3)


def test_mmr_leaves_out_what_says_the_same(store):
    store.add_texts(["the cat sat"] * 3)
    nearest = store.similarity_search("the cat sat", k=3)
    diverse = store.max_marginal_relevance_search("the cat sat", k=3, lambda_mult=0.2)
    assert [document.page_content for document in nearest] == ["the cat sat"] * 3
    assert len({document.page_content for document in diverse}) == 3
    with pytest.raises(ValueError, match="lambda_mult must be from 0 to 1, got 2"):
        store.max_marginal_relevance_search("cat", lambda_mult=2)


def test_documents_are_copies(store):
    given = {"tags": ["x"]}
    store.add_texts(["mine"], [given], ids=["mine"])
    given["tags"].append("changed by the caller")
    store.get_by_ids(["mine"])[0].metadata["tags"].append("changed by a reader")
    store.similarity_search("mine", k=1)[0].metadata.clear()
    assert store.get_by_ids(["mine"]) == [Document(id="mine", page_content="mine", metadata={"tags": ["x"]})]


def test_ids_are_made_up_where_they_are_missing(store):
    added = store.add_documents([Document("x", id="x"), Document("y")])
    assert added[0] == "x"
    assert ids(store.get_by_ids(added)) == added
    assert store.add_texts([]) == []


def test_ids_that_are_numbers_are_found_and_saved_as_text(tmp_path):
    store = FaissStore.from_texts(TEXTS, HashedWords(), ids=[0, 1, 2, 3])
    assert ids(store.similarity_search("a dog ran", k=1)) == ["2"]
    assert AdaCompRetriever.from_vectorstore(store, k=1).invoke("a dog ran")[0].id == "2"
    store.save(tmp_path / "store")
    assert FaissStore.load(tmp_path / "store", HashedWords()).get_by_ids(["0"])[0].page_content == TEXTS[0]


def test_delete_without_ids_deletes_all(store):
    assert store.delete()
    assert (len(store), store.similarity_search("cat")) == (0, [])


@pytest.mark.parametrize(
    ("metadatas", "ids", "words"), [([{}], None, "metadatas, got 1"), (None, ["a"], "ids, got 1")]
)
def test_lists_of_different_lengths_are_refused(store, metadatas, ids, words):
    with pytest.raises(ValueError, match=f"2 texts need as many {words}"):
        store.add_texts(["x", "y"], metadatas, ids=ids)


def test_k_zero_is_refused_and_a_large_k_gives_all(store):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        store.similarity_search("cat", k=0)
    assert len(store.similarity_search("cat", k=10**6)) == 4


def test_a_misspelt_keyword_is_refused(store):
    with pytest.raises(TypeError, match="filters"):
        store.similarity_search("cat", filters={"n": 1})


def test_an_unknown_keyword_of_adding_is_refused(store):
    with pytest.raises(TypeError, match="vector_field"):
        store.add_texts(["new"], vector_field="x")


class _Counting(HashedWords):
    """Writes down how many texts came in each call."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def embed_documents(self, texts):
        self.calls.append(len(texts))
        return super().embed_documents(texts)


@pytest.mark.parametrize(
    ("size", "calls"), [(None, [5]), (2, [2, 2, 1]), (5, [5]), (100, [5])], ids=["none", "2", "5", "100"]
)
def test_texts_are_embedded_in_batches(size, calls):
    plain, texts = FaissStore(HashedWords()), [*TEXTS, "a fish swam"]
    plain.add_texts(texts)
    for add in (FaissStore.add_texts, lambda *a, **k: asyncio.run(FaissStore.aadd_texts(*a, **k))):
        store = FaissStore(_Counting())
        assert add(store, texts, ids=list("abcde"), batch_size=size) == list("abcde")
        assert store.embeddings.calls == calls
        found = store.similarity_search_with_score("a cat sat", 5)
        assert [(d.page_content, score) for d, score in found] == [
            (d.page_content, score) for d, score in plain.similarity_search_with_score("a cat sat", 5)
        ]


def test_a_batch_size_below_one_is_refused(store):
    with pytest.raises(ValueError, match="batch_size must be at least 1, or None for one call, got 0"):
        store.add_texts(["new"], batch_size=0)
    assert len(store) == 4


@pytest.mark.parametrize("copier", [copy.deepcopy, pickle.dumps])
def test_the_content_of_a_store_is_neither_pickled_nor_copied(store, copier):
    for one in (store, store.passages, AdaCompRetriever.from_vectorstore(store)):
        with pytest.raises(TypeError, match="save it to a folder, and load it from there"):
            copier(one)


def test_a_shallow_copy_of_a_store_has_the_same_content(store):
    class Tenant(FaissStore):
        tenant = "a"

    one = Tenant(store.embeddings)
    one.tenant = "b"
    two = copy.copy(one)
    two.add_texts(["the red valve"])
    assert type(two) is Tenant
    assert two.tenant == "b"
    assert len(one) == 1
    with pytest.raises(TypeError, match="save it to a folder, and load it from there"):
        copy.copy(one.passages)


class _Broken(HashedWords):
    def embed_query(self, text):
        return [float("nan")] * 64 if "nan" in text else super().embed_query(text)


def test_an_embedding_with_nan_is_refused_with_the_id():
    store = FaissStore(_Broken())
    with pytest.raises(ValueError, match="embedding of 'second' holds a NaN"):
        store.add_texts(["fine", "nan"], ids=["first", "second"])
    assert len(store) == 0
    store.add_texts(["fine"])
    with pytest.raises(ValueError, match="'the query' holds a NaN"):
        store.similarity_search("nan")


def test_unicode_and_ten_megabytes_survive_a_save(tmp_path):
    texts = ["naïve Ω 漢字 🦊 \u0000 \u2028 \ud800", "word " * 2_000_000, ""]
    store = FaissStore.from_texts(texts, HashedWords(), [{"ключ": "値"}] * 3, ids=["漢", "long", "\n"])
    store.save(tmp_path)
    loaded = FaissStore.load(tmp_path, HashedWords())
    assert [document.page_content for document in loaded.get_by_ids(["漢", "long", "\n"])] == texts
    assert loaded.get_by_ids(["漢"])[0].metadata == {"ключ": "値"}


def test_a_loaded_store_refuses_another_model(store, tmp_path):
    store.save(tmp_path)
    assert ids(FaissStore.load(tmp_path, HashedWords()).similarity_search("cat")) == ids(
        store.similarity_search("cat")
    )
    for other in (HashedWords(salt="x"), HashedWords(dimension=32)):
        with pytest.raises(StoreError, match="made with the embedding model HashedWords"):
            FaissStore.load(tmp_path, other)


def test_a_loaded_store_keeps_kind_and_metadata(tmp_path):
    settings = IndexSettings(kind="hnsw", links=8)
    FaissStore.from_texts(TEXTS, HashedWords(), [{"n": n} for n in range(4)], index=settings).save(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["index"]["kind"] == "hnsw"
    loaded = FaissStore.load(tmp_path, HashedWords())
    assert loaded.passages.settings == settings
    assert [one.metadata["n"] for one in loaded.similarity_search("a dog ran", k=1)] == [2]


class _AsyncWords(HashedWords):
    """Counts its calls, and works asynchronously only."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    async def aembed_query(self, text):
        self.calls += 1
        return super().embed_query(text)

    async def aembed_documents(self, texts):
        self.calls += 1
        return [super(_AsyncWords, self).embed_query(text) for text in texts]

    def embed_documents(self, texts):
        raise RuntimeError("called synchronously")

    embed_query = embed_documents


async def test_async_calls_use_the_models_own_async_calls():
    embedding = _AsyncWords()
    store = FaissStore(embedding)
    await store.aadd_documents([Document(text, id=text) for text in TEXTS])
    assert ids(await store.asimilarity_search("a dog ran", k=1)) == ["a dog ran"]
    found = await asyncio.gather(*(store.asimilarity_search_with_score(text, k=1) for text in TEXTS))
    assert [one[0][0].id for one in found] == TEXTS
    assert ids(await store.amax_marginal_relevance_search("a dog ran", k=1)) == ["a dog ran"]
    assert embedding.calls == 7


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_documents_come_and_go_under_64_readers(kind):
    store, stop = FaissStore(HashedWords(), index=kind), threading.Event()
    store.add_texts([f"stays w{number}" for number in range(64)], ids=[f"s{number}" for number in range(64)])

    def read(number):
        rounds = 0
        while not stop.is_set() or not rounds:
            found = store.similarity_search_with_score(f"stays w{number}", k=3)
            assert len(found) == 3
            assert found[0][1] >= found[2][1]
            assert ids(store.similarity_search(f"stays w{number}", k=1, filter={"missing": 1})) == []
            assert ids(store.get_by_ids([f"s{number}"])) == [f"s{number}"]
            rounds += 1
        return rounds

    with ThreadPoolExecutor(64) as pool:
        readers = [pool.submit(read, number) for number in range(64)]
        for step in range(20):
            names = [f"t{step}-{number}" for number in range(20)]
            store.add_texts(names, ids=names)
            store.delete(names)
        stop.set()
        assert all(reader.result(timeout=60) for reader in readers)
    assert len(store) == 64


def test_a_vector_of_another_dimension_is_refused(store):
    with pytest.raises(ValueError, match="must have 64 dimensions"):
        store.similarity_search_by_vector(np.ones(3).tolist())
