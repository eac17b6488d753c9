"""What is read out of calibration files, and what is said about those that will not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hola_plugins.lobi.calibration_file import pieces, read_documents
from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.default_text import default_documents, digest

CHAT = [{"role": "user", "content": "Which valve?"}, {"role": "assistant", "content": "The inlet valve."}]
RECORDS: list[tuple[dict[str, Any], Any]] = [
    ({"text": "The inlet valve closes first."}, "The inlet valve closes first."),
    ({"prompt": "Which valve?", "response": "The inlet valve."}, CHAT),
    ({"prompt": "Which valve?", "completion": "The inlet valve."}, CHAT),
    ({"prompt": "Which valve?", "answer": "The inlet valve."}, CHAT),
    ({"id": 7, "prompt": "Which valve?"}, "Which valve?"),
    ({"prompt": "Which valve?", "messages": [{"role": "assistant", "content": None}]}, "Which valve?"),
    ({"prompt": "Which valve?", "messages": CHAT}, CHAT),
    ({"question": "Which valve?", "answer": "The inlet valve."}, CHAT),
    ({"messages": CHAT, "id": 7}, CHAT),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": text} for text in ("Which", "valve?")]}
            ]
        },
        [{"role": "user", "content": "Which\nvalve?"}],
    ),
]


@pytest.mark.parametrize("name", ["data.jsonl", "data.json", "list.json", "data.parquet"])
@pytest.mark.parametrize(("record", "document"), RECORDS)
def test_every_kind_of_record_in_every_format(
    tmp_path: Path, name: str, record: dict[str, Any], document: Any
) -> None:
    path = tmp_path / name
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        from pyarrow import Table, parquet

        parquet.write_table(Table.from_pylist([record, record]), path)
    elif name == "list.json":
        path.write_text(json.dumps([record, record], indent=1))
    else:
        path.write_text(f"{json.dumps(record)}\n\n{json.dumps(record)}\n")
    assert read_documents(path) == [document, document]


def test_text_keeps_all_its_words_and_no_piece_fills_the_rows(tmp_path: Path) -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 100 for number in range(60))
    path = tmp_path / "data.txt"
    path.write_text("\ufeff" + text, encoding="utf-8")
    found = read_documents(path)
    assert "\n\n".join(map(str, found)) == text
    assert len(found) > 10


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=900), max_size=12))
def test_pieces_keep_every_word_in_its_order(paragraphs: list[str]) -> None:
    text = "\n\n".join(paragraphs)
    assert "\n\n".join(pieces(text)).split() == text.split()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("data.txt", b"", "is empty"),
        ("data.txt", b" \n\n \n", "is empty"),
        ("data.jsonl", b"", "is empty"),
        ("data.txt", b"\x7fELF\0\0", "is binary"),
        ("data.jsonl", b'{"text": "a"}\n{"text": \n', r"line 2 is no JSON"),
        ("data.jsonl", b'{"text": "a"}\n\n["a"]\n', r"line 3 must be an object .* got list"),
        (
            "data.jsonl",
            b'{"question": "a", "choices": "b"}',
            r"line 1 must hold .* it has 'question', 'choices'",
        ),
        ("data.jsonl", b'{"messages": []}', r"line 1 must hold"),
        ("data.jsonl", b'{"messages": ["hello"]}', r"line 1: message 1 has no role"),
        ("data.jsonl", b'{"messages": [{"content": "hello"}]}', r"line 1: message 1 has no role"),
        (
            "data.jsonl",
            b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null}]}',
            r"line 1: message 2 has no role, or no text content \(tool calls, images\): leave it out",
        ),
        (
            "data.jsonl",
            b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]}',
            r"line 1: message 1 .* no text content",
        ),
        (
            "data.jsonl",
            b'{"prompt": 3}',
            r"line 1 must hold a 'text', a 'prompt' with or without its 'response'",
        ),
        ("data.json", b'[{"text": "a"}, {"text": 3}]', r"record 2 must hold"),
        ("data.json", b'[{"text": "a"},', r"is no JSON"),
    ],
)
def test_what_will_not_do_is_named_with_its_line(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LoBiError, match=words) as caught:
        read_documents(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "data.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(LoBiError, match="no parquet file"):
        read_documents(path)


def test_a_digest_tells_texts_apart() -> None:
    assert digest(["ab", "c"]) == digest(["ab", "c"])
    assert len({digest(one) for one in (["ab", "c"], ["a", "bc"], ["c", "ab"], ["ab"])}) == 4


def test_the_default_text_is_prose_and_code() -> None:
    documents = default_documents()
    assert sum(map(len, documents)) > 1_000_000
    assert any("def " in one and "self" in one for one in documents)
    assert any("expression" in one and "def " not in one for one in documents)
