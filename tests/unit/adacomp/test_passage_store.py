"""The store of passages: what is added is found, what is deleted is not, by several threads at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.adacomp.index_settings import IndexSettings
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.passage_store import PassageStore

DIMENSION = 16
SETTINGS = {
    "flat": IndexSettings(),
    "ivf": IndexSettings(kind="ivf", lists=4, probes=1),
    "hnsw": IndexSettings(kind="hnsw", links=8, ef_construction=40, ef_search=16),
}


def passages(names):
    return [Passage(name, f"text of {name}", {"name": name}) for name in names]


def vectors(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)


def filled(kind, count=600):
    store = PassageStore(SETTINGS[kind])
    store.add(passages(f"p{number}" for number in range(count)), vectors(count))
    return store


each_kind = pytest.mark.parametrize("kind", SETTINGS)


@each_kind
def test_a_store_knows_what_it_holds(kind):
    store = filled(kind, 3)
    assert (len(store), store.dimension) == (3, DIMENSION)
    assert list(store.texts.items()) == [(f"p{n}", f"text of p{n}") for n in range(3)]


@each_kind
def test_the_nearest_are_found_with_their_cosines(kind):
    store, all_vectors = filled(kind), vectors(600)
    unit = all_vectors / np.linalg.norm(all_vectors, axis=1, keepdims=True)
    found = 0
    for row in range(0, 600, 20):
        ids, scores = store.search(3.0 * all_vectors[row], 5, effort=4)
        assert ids[0] == f"p{row}"
        cosines = unit @ unit[row]
        np.testing.assert_allclose(scores, [cosines[int(one[1:])] for one in ids], atol=1e-5)
        assert (np.diff(scores) <= 0).all()
        found += len({*ids} & {f"p{near}" for near in np.argsort(-cosines)[:5]})
    assert found >= (150 if kind == "flat" else 135)


@each_kind
def test_more_than_there_are_gives_all(kind):
    store = filled(kind)
    ids, _ = store.search(vectors(1)[0], 10_000)
    assert sorted(ids) == sorted(store.texts)


@each_kind
@pytest.mark.parametrize("share", [1, 7, 300])
def test_k_come_back_if_k_are_allowed(kind, share):
    store = filled(kind)
    allowed = {f"p{number}" for number in range(0, 600, share)}
    for vector in vectors(20, seed=1):
        ids, _ = store.search(vector, 2, allowed_ids=allowed | {"unknown"})
        assert len(ids) == 2
        assert {*ids} <= allowed


@each_kind
def test_deleted_and_replaced_passages_are_not_found(kind):
    store, old = filled(kind), vectors(600)
    store.delete([f"p{number}" for number in range(100)])
    store.add([Passage("p200", "new")], vectors(1, seed=2))
    assert len(store) == 500
    assert not {*store.search(old[5], 500)[0]} & {f"p{number}" for number in range(100)}
    assert [one.text for one in store.get(["p200", "p5", "p300"])] == ["new", "text of p300"]
    assert store.search(vectors(1, seed=2)[0], 1)[0] == ["p200"]
    assert store.search(old[200], 1)[1][0] < 0.999
    with pytest.raises(KeyError, match="p5"):
        store.vectors(["p5"])


@each_kind
def test_effort_changes_one_search_alone(kind):
    store, wanted = filled(kind), vectors(40, seed=3)
    before = [store.search(vector, 10) for vector in wanted]
    exact = [store.search(vector, 10, effort=600) for vector in wanted]
    assert [store.search(vector, 10)[0] for vector in wanted] == [ids for ids, _ in before]
    assert all((wide >= narrow).all() for (_, wide), (_, narrow) in zip(exact, before, strict=True))
    if kind != "flat":
        assert [ids for ids, _ in exact] != [ids for ids, _ in before]


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_full_effort_is_exact(kind):
    flat, store = filled("flat"), filled(kind)
    for vector in vectors(20, seed=4):
        assert store.search(vector, 10, effort=600)[0] == flat.search(vector, 10)[0]


def test_an_emptied_store_takes_another_dimension():
    store = filled("flat", 2)
    store.delete(None)
    assert (len(store), store.dimension, store.search(np.ones(3), 1)[0]) == (0, 0, [])
    store.add(passages(["a"]), np.ones((1, 3)))
    assert store.dimension == 3


def test_revision_and_texts():
    store = filled("flat", 2)
    texts, revision = store.texts, store.revision
    assert store.texts is texts
    store.delete(["unknown"])
    assert store.revision == revision
    store.delete(["p0"])
    assert store.revision > revision
    assert (list(texts), list(store.texts)) == (["p0", "p1"], ["p1"])


def test_the_last_of_equal_ids_counts():
    store = PassageStore()
    store.add([Passage("a", "first"), Passage("b", "b"), Passage("a", "last")], np.eye(3))
    assert dict(store.texts) == {"a": "last", "b": "b"}
    assert store.search(np.eye(3)[2], 1)[0] == ["a"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([[1.0, np.nan]], "embedding of 'a' holds a NaN"),
        ([[np.inf, 1.0]], "embedding of 'a' holds a NaN or an infinity"),
        ([[1e300, 1.0]], "infinity"),
        ([[1.0, 2.0, 3.0]], r"2 dimensions, got the shape \(1, 3\)"),
        ([1.0], r"2 dimensions"),
        ([["x", "y"]], "lists of as many numbers"),
        ([[1.0, 2.0], [1.0, 2.0]], "1 passages need as many vectors, got 2"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_vectors_are_refused_and_change_nothing(bad, words):
    store = PassageStore()
    store.add(passages(["a"]), [[3.0, 4.0]])
    with pytest.raises(ValueError, match=words):
        store.add(passages(["a"]), bad)
    assert store.search([3.0, 4.0], 1) == (["a"], pytest.approx([1.0]))


@pytest.mark.parametrize("query", [[np.nan, 1.0], [1.0], [1.0, 2.0, 3.0]])
def test_bad_queries_are_refused(query):
    store = PassageStore()
    store.add(passages(["a"]), [[3.0, 4.0]])
    with pytest.raises(ValueError, match=r"dimensions|the query"):
        store.search(query, 1)


def test_numbers_below_one_are_refused():
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        PassageStore().search([1.0], 0)
    with pytest.raises(ValueError, match="effort must be at least 1, got 0"):
        PassageStore().search([1.0], 1, effort=0)


def test_a_vector_of_zeros_is_similar_to_nothing():
    store = PassageStore()
    store.add(passages(["zero", "one"]), [[0.0, 0.0], [1e-30, 0.0]])
    assert store.search([1.0, 0.0], 2) == (["one", "zero"], pytest.approx([1.0, 0.0]))
    assert store.search([0.0, 0.0], 1)[1] == [0.0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.lists(st.integers(0, 30), min_size=1, max_size=60)),
            st.tuples(st.just("delete"), st.lists(st.integers(0, 30), max_size=30)),
        ),
        max_size=12,
    ),
    st.sampled_from(list(SETTINGS)),
)
def test_any_history_gives_what_a_dictionary_holds(history, kind):
    store, expected = PassageStore(SETTINGS[kind]), {}
    for step, (action, numbers) in enumerate(history):
        names = [f"p{number}" for number in numbers]
        if action == "add":
            store.add([Passage(name, f"{name} at {step}") for name in names], vectors(len(names), seed=step))
            for name in names:
                expected.pop(name, None)
            expected |= dict.fromkeys(names, step)
        else:
            store.delete(names)
            expected = {name: at for name, at in expected.items() if name not in names}
    assert dict(store.texts) == {name: f"{name} at {step}" for name, step in expected.items()}
    assert sorted(store.search(np.ones(DIMENSION), 1000)[0]) == sorted(expected)


@each_kind
def test_deleting_most_rebuilds_and_keeps_the_rest(kind):
    store, rest = filled(kind, 2000), vectors(2000)[1990:]
    store.delete([f"p{number}" for number in range(1990)])
    for row, vector in enumerate(rest, 1990):
        ids, scores = store.search(vector, 1)
        assert (ids, scores) == ([f"p{row}"], pytest.approx([1.0], abs=1e-5))


@each_kind
def test_a_save_after_a_deletion_leaves_bm25_to_the_next_question(kind):
    store = filled(kind, 40)
    store.delete(["p3", "p17"])
    saved = store.snapshot()
    view = store.view()
    assert view.has_words
    assert view.lexical().ids == tuple(store.texts) == tuple(one.id for one in saved.passages)
    assert view.index is not None and len(view.index) == 38
    assert view.search(vectors(40)[18], 1)[0] == ["p18"]


def test_the_passages_of_a_view_are_made_once_and_stay_in_the_order_of_adding():
    store = filled("flat", 4)
    before = store.view()
    store.delete(["p1"])
    store.add([Passage("p0", "new")], vectors(1))
    view = store.view()
    assert view.passages is view.passages
    assert [one.text for one in view.passages] == ["text of p2", "text of p3", "new"]
    assert [one.id for one in before.passages] == ["p0", "p1", "p2", "p3"]


@each_kind
def test_the_nearest_of_all_come_with_their_vectors_as_a_view_finds_them(kind):
    store, query = filled(kind), vectors(1, seed=3)[0]
    for _ in range(2):
        found, scores, read = store.nearest(query, 7, effort=2)
        ids, expected = store.view().search(query, 7, effort=2)
        assert [one.id for one in found] == ids
        np.testing.assert_array_equal(scores, expected)
        np.testing.assert_array_equal(read, store.vectors(ids))
        store.delete(ids)
    store.delete(None)
    assert [len(part) for part in store.nearest(query, 7)] == [0, 0, 0]


@each_kind
def test_searches_run_while_passages_come_and_go(kind):
    store, stop, wrong = filled(kind), threading.Event(), []
    queries = vectors(50, seed=9)

    def search(seed):
        while not stop.is_set():
            for vector in queries[seed:]:
                view, unit = store.view(), vector / np.linalg.norm(vector)
                ids, scores = view.search(vector, 8)
                named = [one.metadata["name"] for one in view.get(ids)]
                if (
                    len(ids) != 8
                    or named != ids
                    or not np.allclose(view.vectors(ids) @ unit, scores, atol=1e-4)
                ):
                    wrong.append(ids)

    with ThreadPoolExecutor(8) as pool:
        searches = [pool.submit(search, seed) for seed in range(8)]
        for step in range(24):
            names = [f"q{step % 3}-{number}" for number in range(80)]
            store.add(passages(names), vectors(80, seed=step))
            store.delete(names[::2])
            if step % 6 == 0:
                store.snapshot()
        stop.set()
        for one in searches:
            one.result(timeout=60)
    assert not wrong
    assert len(store) == 600 + 3 * 40
