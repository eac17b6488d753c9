"""Rows of tokens out of documents, with the embedded target's tokenizer."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from small_models import TARGET

from hola_plugins.lobi.calibration_rows import make_rows
from hola_plugins.lobi.config import LoBiError

TEXTS = [f"Valve number {number} closes after the pump has stopped." for number in range(60)]
CHATS = [
    [{"role": "user", "content": text}, {"role": "assistant", "content": "So it does."}] for text in TEXTS
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return transformers.AutoTokenizer.from_pretrained(TARGET)


def flat(rows: list[dict[str, Any]]) -> list[int]:
    return [int(token) for row in rows for token in row["input_ids"]]


def test_rows_are_the_documents_end_to_end_in_the_order_of_the_seed(tokenizer: Any) -> None:
    rows = make_rows(TEXTS, tokenizer, 10, 16, seed=3)
    assert [tuple(row["input_ids"].shape) for row in rows] == [(16,)] * 10
    assert all(bool(row["attention_mask"].all()) for row in rows)
    found = tokenizer.decode(flat(rows)).split(tokenizer.eos_token)
    assert set(found[:-1]) <= set(TEXTS)
    assert flat(make_rows(TEXTS, tokenizer, 10, 16, seed=3)) == flat(rows)
    assert flat(make_rows(TEXTS, tokenizer, 10, 16, seed=4)) != flat(rows)


def test_a_chat_goes_through_the_template_where_there_is_one(tokenizer: Any) -> None:
    plain = tokenizer.decode(flat(make_rows(CHATS, tokenizer, 8, 32, seed=0)))
    assert "\nSo it does.<|endoftext|>" in plain
    templated = transformers.AutoTokenizer.from_pretrained(TARGET)
    templated.chat_template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    text = templated.decode(flat(make_rows(CHATS, templated, 8, 32, seed=0)))
    assert "[assistant] So it does." in text
    assert "<|endoftext|>" not in text


def test_roles_that_the_template_refuses_are_named(tokenizer: Any) -> None:
    strict = transformers.AutoTokenizer.from_pretrained(TARGET)
    strict.chat_template = "{{ raise_exception('only user turns') }}"
    with pytest.raises(LoBiError, match=r"roles user, assistant \(only user turns\)"):
        make_rows(CHATS, strict, 8, 32, seed=0)


def test_fewer_rows_than_asked_are_given_and_too_few_refused(tokenizer: Any) -> None:
    assert 8 <= len(make_rows(TEXTS, tokenizer, 1000, 64, seed=0)) < 60
    with pytest.raises(LoBiError, match="tokens, 1 sequences of 512: give at least 8"):
        make_rows(TEXTS[:40], tokenizer, 128, 512, seed=0)
