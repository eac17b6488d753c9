"""The data in two parts."""

from __future__ import annotations

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import Documents, Task
from hola_plugins.pilot.workload import DataError, read_prompts, read_queries, read_questions
from hola_plugins.tune.split import Splitter


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


def test_queries_and_questions_of_one_file_are_held_out_together(pilot, tmp_path):
    parts = Splitter(tmp_path / "out" / "data", 0.3, 0).split(pilot)
    for part in parts.values():
        asked = {one.text for one in read_questions(part.accuracy[0].questions)}
        assert {one.text for one in read_queries(part.documents.queries)} == asked


def test_what_cannot_be_held_out_is_refused(pilot, tmp_path):
    splitter = Splitter(tmp_path / "out" / "data", 0.3, 0)
    with pytest.raises(DataError, match="task gsm8k has no file to hold questions out of"):
        splitter.split(pilot.model_copy(update={"accuracy": (Task(task="gsm8k"),)}))
    pilot.prompts.write_text('{"prompt": "alone"}\n')
    with pytest.raises(DataError, match="at least two"):
        splitter.split(pilot)
