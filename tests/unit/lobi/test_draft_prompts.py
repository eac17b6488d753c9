"""Prompts: what a file may hold, and what is said where it holds something else."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from small_models import TARGET

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.draft.config import load_draft_config
from hola_plugins.lobi.draft.prompts import default_prompts, read_prompts, token_prompts
from hola_plugins.lobi.draft.source import read_draft_source


def lines(path, *records):
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(TARGET)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_every_kind_of_record_gives_its_prompt(tmp_path, kind):
    chat = [{"role": "user", "content": "Which valve?"}, {"role": "assistant", "content": "The inlet valve."}]
    long = "word " * 200
    records = [
        {"prompt": "Which valve?", "response": "The inlet valve."},
        {"question": "Which pump?", "answer": "The second."},
        {"messages": chat},
        {"text": long},
    ]
    path = tmp_path / f"prompts.{kind}"
    if kind == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        table = {key: [one.get(key) for one in records] for key in ("prompt", "question", "messages", "text")}
        parquet.write_table(pytest.importorskip("pyarrow").table(table), path)
    else:
        lines(path, *records)
    assert read_prompts(path) == ["Which valve?", "Which pump?", chat[:1], long[:399]]


def test_an_answer_that_is_no_text_is_left_out_like_any_other(tmp_path):
    asked = [{"role": "user", "content": "Which valve?"}]
    called = {"role": "assistant", "content": None, "tool_calls": [{"name": "valves"}]}
    assert read_prompts(lines(tmp_path / "prompts.jsonl", {"messages": [*asked, called]})) == [asked]


def test_a_text_file_gives_the_beginnings_of_its_pieces(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(f"Paragraph {number}. " + "x" * 1500 for number in range(6)))
    assert [prompt[:12] for prompt in read_prompts(path)] == ["Paragraph 0.", "Paragraph 2.", "Paragraph 4."]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ('{"prompt": "a"}\n{"prompt": 3}\n', "line 2 must hold a 'prompt'"),
        ('{"prompt": "a"}\n\n{"prompt": \n', "line 3 is no JSON"),
        ('["a"]\n', "line 1 must be an object"),
        ('{"messages": [{"role": "assistant", "content": "b"}]}\n', "line 1 must hold a 'prompt'"),
        ('{"messages": [{"role": "user", "content": null}]}\n', r"line 1: message 1 .* no text content"),
        ('{"messages": [{"role": "user", "content": []}]}\n', r"line 1: message 1 .* no text content"),
        ('{"messages": []}\n', "line 1 must hold a 'prompt'"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path, content, words):
    path = tmp_path / "prompts.jsonl"
    path.write_text(content)
    with pytest.raises(LoBiError, match=words):
        read_prompts(path)


def test_prompts_come_once_and_no_longer_than_asked(tokenizer, caplog):
    prompts = [f"Question {number}:" for number in range(30)]
    found = token_prompts([*prompts, *prompts, "long " * 300], tokenizer, 100, 64, seed=1)
    assert sorted(tokenizer.decode(ids) for ids in found) == sorted(prompts)
    assert "1 prompts of more than 64 tokens are left out" in caplog.text
    assert found == token_prompts([*prompts, *prompts, "long " * 300], tokenizer, 100, 64, seed=1)


def test_a_chat_ends_with_the_turn_of_the_one_who_answers():
    templated = transformers.AutoTokenizer.from_pretrained(TARGET)
    templated.chat_template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    (found,) = token_prompts([[{"role": "user", "content": "Why?"}]], templated, 1, 64, seed=0, least=1)
    assert templated.decode(found) == "[user] Why?\n[assistant]"
    templated.chat_template = "{{ raise_exception('no user') }}"
    with pytest.raises(LoBiError, match=r"roles user \(no user\): change them, or give 'prompt'"):
        token_prompts([[{"role": "user", "content": "Why?"}]], templated, 1, 64, seed=0)


def test_too_few_prompts_are_refused(tokenizer):
    with pytest.raises(LoBiError, match=r"there are 2 different prompts of 1 to 64 tokens \(1 are longer\)"):
        token_prompts(["a", "b", "a", "long " * 300], tokenizer, 100, 64, seed=0)


def test_the_default_prompts_are_beginnings_of_documentation(tokenizer):
    found = token_prompts(default_prompts(), tokenizer, 200, 512, seed=0)
    assert len(found) == 200


def test_no_prompt_is_both_learned_and_measured(tmp_path):
    path = lines(tmp_path / "prompts.jsonl", *({"prompt": f"Question {one}:"} for one in range(120)))
    other = lines(tmp_path / "other.jsonl", *({"prompt": f"Question {one}:"} for one in range(100, 140)))
    for held_out, sizes in ((None, [98, 10, 12]), (other, [90, 10, 40])):
        source = read_draft_source(str(TARGET), path, held_out, load_draft_config({}))
        parts = [source.fitting, source.checks, source.held_out]
        assert [len(part) for part in parts] == sizes
        assert len({tuple(ids) for part in parts for ids in part}) == sum(sizes)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sise": 0.3}, "unknown draft setting 'sise'; did you mean 'size'"),
        ({"size": 1.5}, "'size' = 1.5"),
        ({"loss": "mse"}, "'loss' = 'mse'.*'kl'"),
        ({"minutes": 0}, "'minutes' = 0"),
    ],
)
def test_a_wrong_setting_is_named(settings, words):
    with pytest.raises(LoBiError, match=words):
        load_draft_config(settings)
