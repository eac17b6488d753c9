"""The data in two parts."""

from __future__ import annotations

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import Documents, Task
from hola_plugins.pilot.workload import DataError, read_prompts, read_queries, read_questions
from hola_plugins.tune.split import Splitter

LABELS = ('"relevant": ["a.md"]', '"answers": ["b"]')


@pytest.fixture
def pilot(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "prompts.jsonl").write_text("".join(f'{{"prompt": "number {n}"}}\n' for n in range(10)))
    (tmp_path / "queries.jsonl").write_text(
        "".join(f'{{"question": "what {n}", "answer": "{n}"}}\n' for n in range(10))
    )
    (tmp_path / "documents").mkdir()
    queries = tmp_path / "queries.jsonl"
    return PilotConfig(
        model=str(tmp_path / "model"),
        prompts=tmp_path / "prompts.jsonl",
        documents=Documents(path=tmp_path / "documents", queries=queries),
        accuracy=(Task(task="own", questions=queries),),
    )


def test_the_parts_share_nothing_and_hold_everything(pilot, tmp_path):
    parts = Splitter(tmp_path / "out" / "data", 0.3, 0).split(pilot)
    texts = [{one.text for one in read_prompts(parts[name].prompts)} for name in ("search", "held-out")]
    assert [len(one) for one in texts] == [7, 3]
    assert texts[0] | texts[1] == {f"number {n}" for n in range(10)}


@pytest.mark.parametrize(("share", "sizes"), [(0.01, [2, 1]), (0.5, [1, 2]), (0.99, [1, 2])])
def test_both_parts_of_three_lines_hold_one_at_least(pilot, tmp_path, share, sizes):
    pilot.prompts.write_text("".join(f'{{"prompt": "number {n}"}}\n' for n in range(3)))
    parts = Splitter(tmp_path / "out" / "data", share, 0).split(pilot)
    assert [len(read_prompts(parts[name].prompts)) for name in ("search", "held-out")] == sizes


def test_queries_and_questions_of_one_file_are_held_out_together(pilot, tmp_path):
    parts = Splitter(tmp_path / "out" / "data", 0.3, 0).split(pilot)
    for part in parts.values():
        asked = {one.text for one in read_questions(part.accuracy[0].questions)}
        assert {one.text for one in read_queries(part.documents.queries)} == asked


@pytest.mark.parametrize("seed", range(8))
def test_both_parts_hold_labelled_queries(pilot, tmp_path, seed):
    rows = [f'{{"question": "what {n}"{", " + LABELS[n] if n < 2 else ""}}}\n' for n in range(12)]
    pilot.documents.queries.write_text("".join(rows))
    parts = Splitter(tmp_path / "out" / "data", 0.3, seed).split(pilot.model_copy(update={"accuracy": ()}))
    found = [read_queries(part.documents.queries) for part in parts.values()]
    assert [sum(bool(one.relevant or one.answers) for one in queries) for queries in found] == [1, 1]
    assert sum(map(len, found)) == 12


def test_two_queries_of_which_one_is_labelled_are_split(pilot, tmp_path):
    pilot.documents.queries.write_text('{"question": "one", "answer": "1"}\n{"question": "two"}\n')
    parts = Splitter(tmp_path / "out" / "data", 0.3, 0).split(pilot.model_copy(update={"accuracy": ()}))
    assert [len(read_queries(part.documents.queries)) for part in parts.values()] == [1, 1]


def test_a_mistake_is_named_by_the_users_own_file(pilot, tmp_path):
    queries = pilot.documents.queries
    queries.write_text(queries.read_text() + '{"query": "what?"}\n')
    with pytest.raises(DataError) as error:
        Splitter(tmp_path / "out" / "data", 0.3, 0).split(pilot)
    assert str(error.value).startswith(f"{queries}, line 11: 'question' must be a text")


def test_what_cannot_be_held_out_is_refused(pilot, tmp_path):
    splitter = Splitter(tmp_path / "out" / "data", 0.3, 0)
    with pytest.raises(DataError, match="task gsm8k has no file to hold questions out of"):
        splitter.split(pilot.model_copy(update={"accuracy": (Task(task="gsm8k"),)}))
    pilot.prompts.write_text('{"prompt": "alone"}\n')
    with pytest.raises(DataError, match="at least two"):
        splitter.split(pilot)
