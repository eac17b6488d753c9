"""Filters on metadata: what they copy, how often they are asked, and what they refuse."""

from __future__ import annotations

import pytest
from hashed_words import HashedWords
from langchain_core.documents import Document

from hola_plugins.langchain import AdaCompRetriever, FaissStore

EMBEDDINGS = HashedWords(64)
QUERY = "which valve closes"


class Tag:
    """Counts how often it is copied."""

    copies = 0

    def __deepcopy__(self, memo):
        Tag.copies += 1
        return self


@pytest.fixture
def store():
    documents = [
        Document(
            id=str(number),
            page_content=f"valve {number} closes",
            metadata={"tenant": number % 4, "page": number, "tags": [Tag()], "place": {"hall": number % 2}},
        )
        for number in range(40)
    ]
    return FaissStore.from_documents(documents, EMBEDDINGS)


def retriever(store, wanted, **settings):
    return AdaCompRetriever.from_vectorstore(store, search_kwargs={"filter": wanted}, **settings)


def test_a_mapping_copies_nothing_but_what_is_returned(store):
    asked = retriever(store, {"tenant": 3, "page": [*range(20)]}, k=3)
    Tag.copies = 0
    assert {document.metadata["tenant"] for document in asked.invoke(QUERY)} == {3}
    assert Tag.copies == 3
    assert len(store.similarity_search(QUERY, k=2, filter={"tenant": 3})) == 2
    assert Tag.copies == 5


def test_a_function_is_asked_once_a_query_and_passage_however_often_it_is_searched(store):
    asked = []

    def even(document):
        asked.append(document.id)
        return document.metadata["page"] % 2 == 0

    made = retriever(store, even, k_min=20, first_search=8)
    for times in (1, 2):
        story = made.explain(QUERY)
        assert story.searches > 1
        assert all(document.metadata["page"] % 2 == 0 for document in story.documents)
        assert sorted(asked) == sorted([str(number) for number in range(40)] * times)


def test_a_function_cannot_change_what_the_store_holds(store):
    def spoil(document):
        document.metadata["tags"].clear()
        document.metadata["tenant"] = "mine"
        document.page_content = ""
        return True

    before = store.get_by_ids(["5"])[0]
    found = retriever(store, spoil, k=40).invoke(QUERY) + store.similarity_search(QUERY, k=40, filter=spoil)
    assert store.get_by_ids(["5"])[0] == before
    assert all(len(document.metadata["tags"]) == 1 and document.page_content for document in found)


@pytest.mark.parametrize(
    ("wanted", "operator"),
    [
        ({"page": {"$gte": 20}}, "$gte"),
        ({"tenant": 3, "page": {"$in": [20]}}, "$in"),
        ({"$and": [{"page": 1}, {"tenant": 1}]}, "$and"),
    ],
)
def test_operators_are_refused_and_not_taken_for_values(store, wanted, operator):
    message = rf"the operator '\{operator}': give a function such as lambda document"
    with pytest.raises(ValueError, match=message):
        retriever(store, wanted)
    with pytest.raises(ValueError, match=message):
        store.similarity_search(QUERY, filter=wanted)
    with pytest.raises(ValueError, match=message):
        store.max_marginal_relevance_search(QUERY, filter=wanted)


def test_a_list_is_wanted_as_it_stands_or_one_of_its_values():
    documents = [
        Document(id=str(tags), page_content="valve", metadata={"tags": tags})
        for tags in (["new", "big"], ["big", "new"], ["new"], "new")
    ]
    store = FaissStore.from_documents(documents, EMBEDDINGS)
    found = retriever(store, {"tags": ["new", "big"]}, k=4).invoke(QUERY)
    assert sorted(document.id for document in found) == ["['new', 'big']", "new"]


def test_a_mapping_as_a_value_is_compared_whole(store):
    found = retriever(store, {"place": {"hall": 1}}, k=40).invoke(QUERY)
    assert sorted(document.metadata["page"] for document in found) == [*range(1, 40, 2)]


def test_a_filter_of_another_type_is_refused_at_once(store):
    with pytest.raises(TypeError, match="filter must be a mapping such as"):
        retriever(store, 3)


def test_an_index_without_a_store_around_it_is_searched_and_filtered(store):
    settings = {"k": 5, "search_kwargs": {"filter": {"tenant": 2}}}
    bare = AdaCompRetriever(source=store.passages, embeddings=EMBEDDINGS, **settings)
    assert bare.invoke(QUERY) == AdaCompRetriever.from_vectorstore(store, **settings).invoke(QUERY)
