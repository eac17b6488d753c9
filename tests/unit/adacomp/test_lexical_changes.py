"""BM25 over passages that come and go: it answers as an index made anew, and reads new texts alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.adacomp import lexical, passage_store
from hola_plugins.adacomp.lexical import LexicalIndex
from hola_plugins.adacomp.passage import Passage
from hola_plugins.adacomp.passage_store import PassageStore

WORDS = ("valve", "pump", "gauge", "boiler", "seal", "rotor", "hall")
TEXTS = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
CHANGES = st.lists(
    st.dictionaries(st.integers(0, 9), st.none() | TEXTS, min_size=1, max_size=6), min_size=1, max_size=8
)
"""Each gives some passages a text, or deletes those with None."""


def change(store, texts):
    store.delete([str(name) for name, text in texts.items() if text is None])
    added = [Passage(str(name), text) for name, text in texts.items() if text is not None]
    store.add(added, np.ones((len(added), 4)))


def facts(index, question):
    """What an index says of a question: scores, words held, their worth and what first words are shared."""
    asked = index.ask(question)
    match = asked.match(np.arange(len(index)))
    shares = match.heads.shares(min(3, len(index)), question.split())
    return asked.scores, match.holds, match.rarity, shares


@pytest.fixture
def read(monkeypatch):
    """The texts of which words were taken."""
    texts = []
    monkeypatch.setattr(lexical, "words", lambda text, words=lexical.words: texts.append(text) or words(text))
    return texts


@settings(deadline=None)
@given(CHANGES, st.sets(st.integers(0, 7)))
@pytest.mark.parametrize("tolerated", [0, 1024])
def test_a_changed_index_is_one_made_anew(tolerated, changes, asked_after):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passage_store, "_TOLERATED_DEAD", tolerated)
        store = PassageStore()
        for step, texts in enumerate(changes):
            change(store, texts)
            if step in asked_after:
                store.lexical()
        changed, anew = store.lexical(), LexicalIndex(store.texts)
        saved = PassageStore.restore(store.snapshot()).lexical()
    assert changed.ids == anew.ids == saved.ids
    assert {*changed.vocabulary} == {*anew.vocabulary} == {*saved.vocabulary}
    for question in ("valve pump rotor", "seal seal hall gauge boiler", "unicorn"):
        for one in (changed, saved):
            for fact, expected in zip(facts(one, question), facts(anew, question), strict=True):
                np.testing.assert_array_equal(fact, expected)


def test_a_change_reads_the_new_texts_alone(read):
    store = PassageStore()
    change(store, {number: f"text {number}" for number in range(50)})
    store.lexical()
    del read[:]
    change(store, {3: None, 50: "a new text", 7: "another one"})
    store.lexical()
    assert read == ["a new text", "another one"]
    change(store, {8: None})
    assert store.lexical().ids == tuple(store.texts)
    assert len(read) == 2


def test_a_loaded_index_reads_the_new_texts_alone(read):
    store = PassageStore()
    change(store, {number: f"text {number}" for number in range(50)})
    loaded = PassageStore.restore(store.snapshot())
    del read[:]
    change(loaded, {50: "a new text"})
    assert len(loaded.lexical()) == 51
    assert read == ["a new text"]


def test_an_earlier_view_keeps_its_index():
    store = PassageStore()
    change(store, {1: "red valve", 2: "blue pump", 3: "green seal"})
    view = store.view(words=True)
    change(store, {1: None, 4: "yellow rotor"})
    assert store.lexical().ids == ("2", "3", "4")
    assert view.lexical().ids == ("1", "2", "3")
    assert view.lexical().scores("valve").argmax() == 0
    assert not view.lexical().scores("rotor").any()


def test_a_view_without_bm25_gets_it_from_the_index_of_its_time(read):
    store = PassageStore()
    change(store, {1: "red valve", 2: "blue pump"})
    store.lexical()
    change(store, {3: "green seal"})
    view = store.view()
    change(store, {4: "yellow rotor"})
    store.lexical()
    assert view.lexical().ids == ("1", "2", "3")
    assert read.count("red valve") == 1


def test_the_scores_are_bm25():
    index = LexicalIndex({"a": "valve valve pump", "b": "gauge", "c": "seal hall"})
    weight, norm = np.log(1 + 2.5 / 1.5), 1.5 * (0.25 + 0.75 * 3 / 2)
    assert index.scores("valve").tolist() == pytest.approx([weight * 2 / (2 + norm), 0, 0])
