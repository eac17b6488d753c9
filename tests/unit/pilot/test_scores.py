"""Scores that are kept: what they follow from, and whether passages go into them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hola_plugins.pilot.results import Accuracy
from hola_plugins.pilot.scores import Scores
from hola_plugins.pilot.sections import Task
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.state import State

PLAN = ServerPlan("baseline", "model", "float32")
SERVER = SimpleNamespace(plan=PLAN, check_running=lambda: None)


class Evaluation:
    """Gives every answer for right, and counts how often it is asked."""

    chat = False
    asked = 0

    def run(self, name, task, server, ask):
        self.asked += 1
        return Accuracy(task=task.task, metric="acc", value=1.0, questions=1)


@pytest.fixture
def new_scores(tmp_path):
    """Gives a function that makes scores over passages of a key; an empty one stands for no documents."""

    def new_scores(passages):
        contexts = SimpleNamespace(key=lambda depth: passages, ask=lambda depth: str)
        return Scores(Evaluation(), contexts, State(tmp_path / "state"), {})

    return new_scores


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "one?", "answer": "1"}\n')
    return Task(task="own", questions=path)


def test_passages_go_into_own_questions_to_documents_and_no_others(new_scores, own):
    hub = Task(task="gsm8k")
    found = [new_scores("documents").measure(SERVER, "fixed", one).retrieves for one in (own, hub)]
    assert found == [True, False]
    assert not new_scores("").measure(SERVER, "fixed", own).retrieves


def test_a_score_is_measured_once_until_a_file_of_its_task_changes(new_scores, own):
    scores = new_scores("documents")
    kept = [scores.measure(SERVER, "fixed", own) for _ in range(2)]
    assert kept[0] == kept[1] == scores.get(PLAN, "fixed", own)
    assert scores.evaluation.asked == 1
    own.questions.write_text('{"question": "one?", "answer": "one"}\n')
    assert scores.get(PLAN, "fixed", own) is None
