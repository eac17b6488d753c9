"""Words, BM25, fusion, widening and the order of the steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import candidates

from hola_plugins.adacomp.decision import DepthBounds
from hola_plugins.adacomp.fusion import fuse, ranked
from hola_plugins.adacomp.gate import EvidenceGate
from hola_plugins.adacomp.lexical import LexicalIndex, match_among
from hola_plugins.adacomp.pipeline import DepthPlan, find_depth
from hola_plugins.adacomp.policy import GapPolicy
from hola_plugins.adacomp.words import words

TEXTS = {
    "a": "The red fox jumps over the fence.",
    "b": "Foxes are red; badgers are grey.",
    "c": "Valves close after seven seconds.",
    "d": "Water flows over the red fence.",
    "e": "",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Valves CLOSE, e.g. at 7°!", ["valve", "close", "e", "g", "at", "7"]),
        ("狐が跳ぶ fox2", ["狐", "が", "跳", "ぶ", "fox2"]),
        ("ﬁne Straße", ["fine", "strasse"]),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_can_be_indexed_and_asked(text):
    index = LexicalIndex({"x": text, "y": "fox"})
    match = index.ask(text).match(np.arange(2))
    assert np.isfinite(match.scores).all()
    assert match.holds.shape == (2, len(match.rarity))


def test_bm25_prefers_rare_words_and_finds_them():
    index = LexicalIndex(TEXTS)
    scores = index.scores("when do valves close on the fence")
    assert index.ids[index.best(scores, 2)[0]] == "c"
    match = index.ask("valve fence unicorn").match(np.array(index.rows(["c", "a"])))
    assert match.holds.tolist() == [[True, False, False], [False, True, False]]
    assert match.rarity[2] > match.rarity[0] > match.rarity[1] > 0


@pytest.mark.parametrize("query", ["", "unicorn", "!!!"])
def test_no_shared_word_scores_nothing(query):
    index = LexicalIndex(TEXTS)
    assert not index.scores(query).any()
    assert index.best(index.scores(query), 3) == []


def test_an_empty_corpus_scores_nothing():
    assert LexicalIndex({}).scores("fox").shape == (0,)
    assert match_among("fox", []).scores.shape == (0,)


def test_among_a_few_passages_the_same_one_wins():
    match = match_among("when do valves close", list(TEXTS.values()))
    assert int(match.scores.argmax()) == 2


def test_fusion_adds_a_share_of_bm25():
    dense, lexical = np.array([0.5, 0.4], dtype=np.float32), np.array([0, 8], dtype=np.float32)
    assert fuse(dense, lexical).tolist() == pytest.approx([0.5, 0.7])
    assert fuse(dense, np.zeros(2, dtype=np.float32)).tolist() == pytest.approx([0.5, 0.4])


def test_similarities_that_are_not_finite_name_the_passage():
    with pytest.raises(ValueError, match="got nan for passage 'p1'"):
        ranked(["p0", "p1"], ["", ""], np.array([1, np.nan], dtype=np.float32), match_among("q", ["", ""]))


def plan(**changes):
    settings = {
        "policy": GapPolicy(0),
        "bounds": DepthBounds(),
        "gate": None,
        "k": None,
        "first_search": 4,
        "most_widenings": 2,
    }
    return DepthPlan(**{**settings, **changes})


def run(the_plan, corpus):
    """Answers every search with the first n of a corpus of falling scores."""
    steps, searching = [], find_depth("q", the_plan)
    step = next(searching)
    while True:
        steps.append((step.n, step.effort))
        found = candidates(corpus[: step.n])
        try:
            step = searching.send(found)
        except StopIteration as stop:
            return steps, stop.value


def test_a_clear_top_needs_one_search():
    steps, depth = run(plan(), [0.9, 0.2, 0.19, 0.18] + [0.1] * 100)
    assert steps == [(4, 1)]
    assert (depth.level, depth.decision.k, depth.searches) == ("shallow", 1, 1)


def test_it_widens_while_the_end_still_brings_something():
    steps, depth = run(plan(policy=GapPolicy(1)), [0.9, 0.89, 0.875, 0.855, 0.85, 0.2] + [0.19] * 100)
    assert steps == [(4, 1), (16, 4)]
    assert (depth.level, depth.decision.k) == ("deep", 6)


def test_a_coarse_search_alone_never_says_that_there_is_nothing():
    steps, depth = run(plan(gate=EvidenceGate(0.95)), [0.9, 0.2] + [0.1] * 100)
    assert [effort for _, effort in steps] == [1, 4, 16]
    assert (depth.level, depth.decision.reason, depth.decision.k) == ("none", "no_evidence", 0)


def test_a_fixed_k_is_past_gate_and_policy():
    steps, depth = run(plan(gate=EvidenceGate(0.95), k=7), [0.9, 0.2] + [0.1] * 100)
    assert steps == [(7, 1)]
    assert (depth.decision.reason, depth.decision.k) == ("fixed_k", 7)
