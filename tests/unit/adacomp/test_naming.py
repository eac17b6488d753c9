"""The signal of the second hop, and the words of passages that it reads."""

import numpy as np
import pytest
from synthetic import candidates

from hola_plugins.adacomp.fusion import ranked
from hola_plugins.adacomp.head_words import HEAD, heads_of, lists_of
from hola_plugins.adacomp.lexical import LexicalIndex, match_among
from hola_plugins.adacomp.naming import NamedByBetter
from hola_plugins.adacomp.postings import Postings
from hola_plugins.adacomp.words import words

TEXTS = {
    "film": "Jaws is a thriller directed by Steven Spielberg in 1975.",
    "man": "Steven Spielberg was born in Cincinnati, Ohio.",
    "whale": "Whales are the largest mammals of the sea.",
    "city": "Cincinnati lies on the border of Kentucky.",
    "empty": "",
}
QUESTION = "Where was the director of Jaws born?"
DENSE = np.array([0.9, 0.3, 0.3, 0.3, 0.1], dtype=np.float32)


def by_index(question=QUESTION):
    return LexicalIndex(TEXTS).ask(question).match(np.arange(len(TEXTS)))


def by_texts(question=QUESTION):
    return match_among(question, [*TEXTS.values()])


def named(match, dense=DENSE, question=QUESTION):
    found = ranked([*TEXTS], [*TEXTS.values()], dense, match, weight=0.0)
    return dict(zip(found.ids, NamedByBetter().measure(question, found)[:, 0].tolist(), strict=True))


@pytest.mark.parametrize("match", [by_index, by_texts])
def test_a_passage_that_the_best_one_names_stands_out(match):
    shares = named(match())
    assert max(shares, key=shares.get) == "man"
    assert shares["film"] == shares["empty"] == 0.0
    assert all(0.0 <= share <= 1.0 for share in shares.values())


def test_words_of_the_question_do_not_count():
    question = "Is Steven Spielberg in Jaws?"
    assert named(by_index(question), question=question)["man"] == 0.0


def test_a_source_far_below_the_best_counts_less():
    near = named(by_index(), np.array([0.89, 0.3, 0.9, 0.3, 0.1], dtype=np.float32))
    far = named(by_index(), np.array([0.5, 0.3, 0.9, 0.3, 0.1], dtype=np.float32))
    assert 0.0 < far["man"] < near["man"]


def test_without_first_words_it_says_nothing():
    assert NamedByBetter().measure("q", candidates([0.5, 0.4])).tolist() == [[0.0], [0.0]]
    nothing = ranked([], [], np.zeros(0, dtype=np.float32), match_among("q", []))
    assert NamedByBetter().measure("q", nothing).shape == (0, 1)


def test_heads_are_the_distinct_first_words():
    heads = heads_of([[3, 3, 1, 2, 9, 8, 7, 6], [5], []])
    assert heads.tolist() == [[3, 1, 2, 9, 8, -1], [5, *[-1] * (HEAD - 1)], [-1] * HEAD]


def test_words_by_passage_are_those_of_passages_by_word():
    rng = np.random.default_rng(0)
    holds = rng.random((40, 12)) < 0.2
    row = np.nonzero(holds)[1]
    starts = np.concatenate([[0], np.cumsum(holds.sum(axis=1))])
    lists = lists_of(Postings(row.astype(np.int32), np.ones(len(row), dtype=np.int32), starts, 12))
    for passage in range(12):
        assert lists.of(passage).tolist() == np.flatnonzero(holds[:, passage]).tolist()


def test_a_restored_index_names_alike():
    index = LexicalIndex(TEXTS)
    again = LexicalIndex.restore(index.ids, index.arrays())
    assert named(again.ask(QUESTION).match(np.arange(len(TEXTS)))) == named(by_index())
    assert {*again.vocabulary} == {word for text in TEXTS.values() for word in words(text)}
