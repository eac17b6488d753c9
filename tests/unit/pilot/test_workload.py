"""What is sent: files that are read, and prompts that are dealt."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from hola_plugins.pilot.documents import recall
from hola_plugins.pilot.workload import (
    DataError,
    Prompt,
    Query,
    deal,
    read_prompts,
    read_queries,
    read_questions,
    with_passages,
)


@given(st.integers(1, 40), st.integers(1, 10))
def test_every_prompt_is_dealt_to_one_repeat(count, repeats):
    prompts = [Prompt(str(number), "all", "") for number in range(count)]
    dealt = [deal(prompts, repeats, number) for number in range(repeats)]
    assert sorted((one for some in dealt for one in some), key=lambda one: int(one.id)) == prompts
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.parametrize("repeats", [2, 3, 4, 6])
def test_every_repeat_has_its_share_of_every_category_in_the_order_of_the_file(repeats):
    prompts = [Prompt(str(number), "abcd"[number % 4], "") for number in range(48)]
    for number in range(repeats):
        dealt = deal(prompts, repeats, number)
        assert Counter(one.category for one in dealt) == dict.fromkeys("abcd", 12 // repeats)
        assert dealt == sorted(dealt, key=lambda one: int(one.id))


def test_files_are_read_with_defaults(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text('{"prompt": "a"}\n\n{"prompt": "b", "id": 7, "category": "maths"}\n')
    assert read_prompts(path) == [Prompt("prompt-1", "prompts", "a"), Prompt("7", "maths", "b")]
    path.write_text('{"question": "a", "answer": "b"}\n{"question": "c", "relevant": ["d"], "id": "e"}\n')
    assert read_queries(path) == [
        Query("query-1", "a", answers=("b",)),
        Query("e", "c", relevant=frozenset({"d"})),
    ]


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_prompts, "", "is empty"),
        (read_prompts, '{"prompt": "a"}\nno\n', "line 2 is no JSON"),
        (read_prompts, "[1]\n", "line 1 must hold an object, got list"),
        (read_prompts, '{"prompt": " "}\n', "line 1: 'prompt' must be a text, got ' '"),
        (read_prompts, '{"text": "a"}\n', "line 1: 'prompt' must be a text, got None; it has 'text'"),
        (
            read_prompts,
            '{"id": 1, "prompt": "a"}\n{"id": 1, "prompt": "b"}\n',
            "line 2: the id '1' stands in line 1",
        ),
        (
            read_queries,
            '{"question": "a", "relevant": "b"}\n',
            "line 1: 'relevant' must be a list of texts, got 'b'",
        ),
        (read_questions, '{"question": "a"}\n', "line 1: 'answer' must be a text"),
    ],
)
def test_a_line_that_will_not_do_is_named(tmp_path, read, text, words):
    path = tmp_path / "lines.jsonl"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_a_query_is_sent_with_its_passages_or_alone():
    template = "{passages}\n\nQuestion: {question}\nAnswer:"
    query = Query("q", "Why {passages}?")
    assert (
        with_passages(query, ["A.", "B."], template).text
        == "[1] A.\n\n[2] B.\n\nQuestion: Why {passages}?\nAnswer:"
    )
    assert with_passages(query, [], template).searched
    assert with_passages(query, [], template).text == "Question: Why {passages}?\nAnswer:"


def test_recall_counts_passages_files_or_answers():
    kept = [
        Document(
            id="guide.md#2@ab12",
            page_content="The inlet valve closes first.",
            metadata={"source": "guide.md"},
        )
    ]
    assert recall(Query("q", "?", relevant=frozenset({"guide.md#2", "guide.md#3"})), kept) == 0.5
    assert recall(Query("q", "?", relevant=frozenset({"guide.md"})), kept) == 1.0
    assert recall(Query("q", "?", answers=("the Inlet Valve",)), kept) == 1.0
    assert recall(Query("q", "?", answers=("let valve",)), kept) == 0.0
    assert recall(Query("q", "?"), kept) is None
