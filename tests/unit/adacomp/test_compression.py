"""The compressor's invariants: never over the budget, never out of order; and the splitter it stands on."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.adacomp.compression import ELISION, compress, join
from hola_plugins.adacomp.sentence_score import overlaps, score_sentences, smooth
from hola_plugins.adacomp.sentences import LONGEST, split_sentences
from hola_plugins.adacomp.words import approximate_tokens

LENGTHS = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "tokens": approximate_tokens,
    "bytes": lambda text: len(text.encode("utf-8", "replace")),
    "steps": lambda text: 5 * (len(text) // 5 + 1),
}
sentences = st.lists(st.text("ab cd.é漢", min_size=1, max_size=30), min_size=1, max_size=8)
passages = st.lists(sentences, max_size=5)


def scored(of_passages, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=len(part)).astype(np.float32) for part in of_passages]


@settings(deadline=None)
@given(passages, st.integers(0, 1000), st.integers(1, 120), st.sampled_from(sorted(LENGTHS)))
def test_never_over_the_budget_and_never_out_of_order(of_passages, seed, budget, unit):
    length = LENGTHS[unit]
    texts = [" ".join(part) for part in of_passages]
    kept = compress(texts, of_passages, scored(of_passages, seed), budget, length)
    assert sum(length(passage.text) for passage in kept) <= budget
    assert all(passage.length == length(passage.text) for passage in kept)
    rows = [passage.row for passage in kept]
    assert rows == sorted(set(rows))
    for passage in kept:
        assert list(passage.kept) == sorted(set(passage.kept))
        whole = passage.text == texts[passage.row] or passage.truncated
        assert whole or passage.text == join(of_passages[passage.row], passage.kept)


@settings(deadline=None)
@given(passages, st.integers(0, 1000))
def test_what_fits_is_left_alone(of_passages, seed):
    texts = [" ".join(part) for part in of_passages]
    kept = compress(texts, of_passages, scored(of_passages, seed), max(1, sum(map(len, texts))), len)
    assert [passage.text for passage in kept] == texts


def test_the_best_sentences_are_kept_with_a_mark_between():
    parts = [["One.", "Two.", "Three.", "Four."]]
    kept = compress(["One. Two. Three. Four."], parts, [np.array([3, 0, 0, 2], dtype=np.float32)], 14, len)
    assert [(p.text, p.kept) for p in kept] == [(f"One.{ELISION}Four.", (0, 3))]


def test_a_budget_under_every_sentence_keeps_the_beginning_of_the_best():
    parts = [["aaa bbb ccc ddd"], ["eee fff ggg hhh"]]
    scores = [np.array([0.0], dtype=np.float32), np.array([1.0], dtype=np.float32)]
    (kept,) = compress([p[0] for p in parts], parts, scores, 8, len)
    assert (kept.row, kept.text, kept.truncated) == (1, "eee fff", True)
    assert compress([p[0] for p in parts], parts, scores, 2, len) == []


@pytest.mark.parametrize("budget", [0, -3])
def test_a_budget_under_one_is_refused(budget):
    with pytest.raises(ValueError, match=f"got {budget}"):
        compress(["a"], [["a"]], [np.zeros(1, dtype=np.float32)], budget, len)


def squeezed(text):
    return re.sub(r"\s+", "", text)


@settings(deadline=None)
@given(st.text(max_size=400))
def test_splitting_loses_nothing_but_white_space(text):
    assert squeezed("".join(split_sentences(text))) == squeezed(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. Smith met J. R. Jones at 3.5 km, e.g. in the U.S. capital. He left! Why?", 3),
        ("これは文です。次の文です。", 2),
        ("Title\n\nFirst paragraph\n- item one\n- item two", 4),
        ("", 0),
        (" \n ", 0),
    ],
)
def test_sentences(text, count):
    assert len(split_sentences(text)) == count


def test_ten_megabytes_without_a_full_stop_are_cut():
    text = "word " * 2_000_000
    found = split_sentences(text)
    assert max(map(len, found)) <= LONGEST
    assert sum(one.count("word") for one in found) == 2_000_000


def test_rare_words_weigh_more_and_neighbours_gain():
    found = overlaps("zebra town", ["a town", "one zebra", "the town", "none"])
    assert found[1] > found[0] == found[2] > found[3] == 0
    assert smooth(np.array([0, 1, 0, 0], dtype=np.float32)).tolist() == [0.5, 1, 0.5, 0]


def test_a_better_document_lifts_its_sentences():
    prior = np.array([0.9, 0.2], dtype=np.float32)
    flat = np.zeros(2, dtype=np.float32)
    assert np.argmax(score_sentences(None, prior, flat)) == 0
    assert np.argmax(score_sentences(np.array([0, 0.9], dtype=np.float32), prior, flat)) == 1
