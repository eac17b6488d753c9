"""The compressor's invariants: never over the budget, never out of order; and the splitter it stands on."""

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.adacomp.compression import ELISION, compress, gaps_before, join
from hola_plugins.adacomp.cuts import sign_ends, word_ends
from hola_plugins.adacomp.sentence_score import overlaps, score_sentences, smooth
from hola_plugins.adacomp.sentences import LONGEST, LONGEST_UNSPACED, split_sentences
from hola_plugins.adacomp.words import approximate_tokens

KNOWN = {"ab", "cd.", "valve", "seven", "closes", "before", "pump", "starts."}
LENGTHS = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "tokens": approximate_tokens,
    "bytes": lambda text: len(text.encode("utf-8", "replace")),
    "steps": lambda text: 5 * (len(text) // 5 + 1),
    "pieces": lambda text: sum(1 if word in KNOWN else len(word) for word in text.split()),
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
        some = of_passages[passage.row]
        assert whole or passage.text == join(some, gaps_before(texts[passage.row], some), passage.kept)


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
    (kept,) = compress([p[0] for p in parts], parts, scores, 2, len)
    assert (kept.text, kept.truncated) == ("ee", True)
    assert compress([p[0] for p in parts], parts, scores, 2, lambda text: len(text) + 2) == []


def test_half_words_that_cost_more_than_whole_ones_do_not_shorten_a_beginning():
    text = "valve seven closes before valve seven starts."
    for budget in range(1, 7):
        (kept,) = compress([text], [[text]], [np.zeros(1, np.float32)], budget, LENGTHS["pieces"])
        assert kept.text.split() == text.split()[:budget]
        assert kept.length == budget


CHINESE = "阀门七号在启动程序开始后三十秒内首先关闭然后主泵停止运转并且所有压力传感器将数据发送到中央控制室"
JAPANESE = "第七バルブは起動手順の開始から三十秒以内に最初に閉じその後主ポンプが停止しすべての圧力センサー"
THAI = "วาล์วหมายเลขเจ็ดจะปิดก่อนภายในสามสิบวินาทีหลังจากเริ่มขั้นตอนจากนั้นปั๊มหลักจะหยุดทำงานและเซ็นเซอร์"


@pytest.mark.parametrize("budget", [20, 50])
@pytest.mark.parametrize(
    "text", [CHINESE, JAPANESE, THAI, f"第一 {CHINESE}"], ids=["zh", "ja", "th", "spaced"]
)
def test_scripts_without_spaces_keep_a_beginning_that_fills_the_budget(text, budget):
    scores = [np.zeros(len(split_sentences(text)), dtype=np.float32)]
    (kept,) = compress([text], [split_sentences(text)], scores, budget, approximate_tokens)
    assert text.startswith(kept.text) and kept.truncated
    assert budget - 3 <= kept.length <= budget


def test_a_beginning_ends_between_words_and_never_before_a_mark():
    assert word_ends(" one two ") == [4, 8]
    assert word_ends("看这个ABC") == [1, 2, 3, 6]
    assert word_ends("https://example.com") == [19]
    assert sign_ends(" cafe\u0301s x") == [2, 3, 4, 6, 7, 9]
    assert word_ends("  ") == sign_ends("") == []
    assert word_ends(THAI) == sign_ends(THAI)
    assert all(unicodedata.category(sign)[0] != "M" for end in sign_ends(THAI) for sign in THAI[end:][:1])


TABLE = """# Valves

| valve | closes |
|-------|--------|
| V1 | first |

- item one
- item two

```python
def f(x):
    # a comment
    if x:

        return 1
```"""


def test_a_passage_that_is_kept_whole_keeps_its_lines():
    texts = [TABLE, "Other words. " * 50]
    parts = [split_sentences(text) for text in texts]
    scores = [np.ones(len(parts[0]), dtype=np.float32), np.zeros(len(parts[1]), dtype=np.float32)]
    table, *_ = compress(texts, parts, scores, len(TABLE) + 30, len)
    assert table.text == TABLE


def test_neighbours_are_joined_as_they_stand_in_the_text():
    text = "一つ。二つ。  Three.\n\nFour. Five."
    parts = split_sentences(text)
    assert join(parts, gaps_before(text, parts), [0, 1, 2, 3]) == "一つ。二つ。  Three.\n\nFour."
    assert join(parts, gaps_before(text, parts), [0, 2, 4]) == f"一つ。{ELISION}Three.{ELISION}Five."


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
        ("The probe was made by NASA. Then it flew.", 2),
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


def test_sentences_of_scripts_without_spaces_are_cut_at_their_pauses():
    clause = "ปั๊มน้ำหลักของโรงงานเริ่มทำงานเวลาแปดนาฬิกาทุกเช้า"
    assert split_sentences(" ".join([clause] * 9)) == [clause] * 9
    assert split_sentences("、".join([CHINESE] * 3)) == [f"{CHINESE}、{CHINESE}、", CHINESE]
    assert len(split_sentences("word " * 150 + CHINESE)) == 1


@pytest.mark.parametrize("text", [CHINESE * 30, THAI * 30, "ก" + "\u0e49" * 500], ids=["zh", "th", "marks"])
def test_what_has_no_pause_is_cut_between_signs(text):
    found = split_sentences(text)
    assert "".join(found) == text
    assert max(map(len, found)) <= LONGEST_UNSPACED
    assert text[-1] == "\u0e49" or all(unicodedata.category(one[0])[0] != "M" for one in found)


def test_rare_words_weigh_more_and_neighbours_gain():
    found = overlaps("zebra town", ["a town", "one zebra", "the town", "none"])
    assert found[1] > found[0] == found[2] > found[3] == 0
    assert smooth(np.array([0, 1, 0, 0], dtype=np.float32)).tolist() == [0.5, 1, 0.5, 0]


def test_a_better_document_lifts_its_sentences():
    prior = np.array([0.9, 0.2], dtype=np.float32)
    flat = np.zeros(2, dtype=np.float32)
    assert np.argmax(score_sentences(None, prior, flat)) == 0
    assert np.argmax(score_sentences(np.array([0, 0.9], dtype=np.float32), prior, flat)) == 1
