"""Task files for lm-eval, and scores read from what it leaves."""

from __future__ import annotations

import json
from types import SimpleNamespace
from urllib.request import proxy_bypass_environment

import pytest
import yaml

from hola_plugins.pilot import accuracy
from hola_plugins.pilot.accuracy import Evaluation, check_tasks, read_accuracy
from hola_plugins.pilot.lm_eval_task import write_task
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.sections import Task
from hola_plugins.pilot.workload import DataError

pytest.importorskip("lm_eval")
parquet = pytest.importorskip("pyarrow.parquet")

ARC = {"query": "Question: Which one burns?", "choices": ["wood", "stone", "air"], "gold": 0}


@pytest.fixture
def lines(tmp_path):
    """Gives a function that writes JSON lines."""

    def write(*rows):
        path = tmp_path / "lines.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def definition(folder, name):
    return yaml.safe_load((folder / f"{name}.yaml").read_text())


def test_own_questions_are_asked_as_the_stage_asks_them(lines, tmp_path):
    path = lines(*({"question": str(number), "answer": "b"} for number in range(3)))
    name = write_task(Task(task="mine", questions=path, limit=2), tmp_path / "out", lambda one: f"Q: {one}")
    written = definition(tmp_path / "out", name)
    asked = parquet.read_table(tmp_path / "out" / "questions.parquet").to_pylist()
    assert (name, written["task"], written["output_type"]) == ("pilot_mine", "pilot_mine", "generate_until")
    assert asked == [{"prompt": "Q: 0", "answer": "b"}, {"prompt": "Q: 1", "answer": "b"}]


def model_that_answers(*answers):
    """Gives a model of lm-eval that answers in the order of the questions."""
    from lm_eval.api.model import LM

    class Answers(LM):
        def generate_until(self, requests, **_):
            return list(answers)

        loglikelihood = loglikelihood_rolling = None

    return Answers()


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Gives a function that has lm-eval score a model's answers to a task."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)

    def score(task, *answers):
        name = write_task(task, tmp_path / "out", str)
        found = simple_evaluate(
            model=model_that_answers(*answers),
            tasks=[name],
            bootstrap_iters=0,
            task_manager=TaskManager(include_path=str(tmp_path / "out"), include_defaults=False),
        )
        return read_accuracy(task, found["results"][name], found["samples"][name])

    return score


def test_lm_eval_takes_an_answer_for_right_whatever_blanks_surround_it(lines, scored):
    asked = ({"question": number, "answer": " Paris"} for number in "012")
    score = scored(Task(task="mine", questions=lines(*asked)), " Paris", "paris. ", "Not Paris")
    assert (score.metric, score.right) == ("exact_match", (True, True, False))
    assert score.value == pytest.approx(2 / 3)


@pytest.mark.parametrize("match", ["exact", "contains"])
@pytest.mark.parametrize(
    "expected",
    [
        ["[2, 3, 5]", "{'a': 1}", "12", "{{x}}", " spaced ", "blue"],
        ["blue", "['a']", "[1]"],
        ["2024-01-01", "2023-05-06"],
    ],
    ids=["a list first", "a list later", "dates"],
)
def test_an_own_answer_is_a_text_whatever_it_looks_like(lines, scored, match, expected):
    asked = ({"question": "Which?", "answer": one} for one in [*expected, "2025-02-03"])
    score = scored(Task(task="mine", questions=lines(*asked), match=match), *expected, "no")
    assert score.right == (True,) * len(expected) + (False,)


def test_local_data_goes_into_lm_evals_own_definition(lines, tmp_path):
    name = write_task(Task(task="arc_challenge", data=lines(ARC)), tmp_path / "out", str)
    written = definition(tmp_path / "out", name)
    assert written["include"].endswith("arc_challenge.yaml")
    assert (written["dataset_path"], written["num_fewshot"], written["fewshot_split"]) == ("json", 0, None)
    assert json.loads((tmp_path / "out" / "test.jsonl").read_text()) == {
        "question": "Which one burns?",
        "choices": {"text": ["wood", "stone", "air"], "label": ["A", "B", "C"]},
        "answerKey": "A",
    }


def test_few_shot_examples_come_from_the_training_data_alone(lines, tmp_path):
    path = lines({"question": "1 + 1?", "answer": "#### 2"})
    task = Task(task="gsm8k", data=path, train=path)
    assert "num_fewshot" not in definition(tmp_path / "a", write_task(task, tmp_path / "a", str))
    task = Task(task="gsm8k", data=path)
    assert definition(tmp_path / "b", write_task(task, tmp_path / "b", str))["num_fewshot"] == 0


def test_a_task_of_the_hub_needs_no_file(tmp_path):
    assert write_task(Task(task="gsm8k"), tmp_path / "out", str) == "gsm8k"
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("task", "row", "words"),
    [
        ("arc_easy", ARC | {"gold": 3}, "line 1: 'gold' must be the place of one"),
        ("gsm9k", ARC, "no task 'gsm9k'"),
    ],
)
def test_what_lm_eval_could_not_use_is_refused(lines, tmp_path, task, row, words):
    with pytest.raises(DataError, match=words):
        write_task(Task(task=task, data=lines(row)), tmp_path / "out", str)


@pytest.mark.parametrize(("task", "near"), [("gsm8kk", "gsm8k"), ("arc_chalenge", "arc_challenge")])
def test_a_task_that_lm_eval_does_not_have_is_refused_with_the_nearest(tmp_path, task, near):
    with pytest.raises(DataError, match=f"no task '{task}'; did you mean '{near}'"):
        check_tasks([Task(task=task, limit=5)], "owner/name")


def test_tasks_whose_file_has_another_name_are_known_and_groups_are_not():
    check_tasks([Task(task="mmlu_anatomy"), Task(task="scrolls_qasper"), Task(task="mmlu_pro_law")], "a/b")
    with pytest.raises(DataError, match=r"no task 'mmlu'.* of a group name the tasks one by one"):
        check_tasks([Task(task="mmlu")], "owner/name")


def test_questions_need_a_tokenizer_and_without_questions_none_is_asked_for(lines, tmp_path):
    (tmp_path / "model").mkdir()
    own = Task(task="own", questions=lines({"question": "one?", "answer": "1"}))
    check_tasks([], str(tmp_path / "model"))
    with pytest.raises(DataError, match="model holds no tokenizer"):
        check_tasks([own], str(tmp_path / "model"))
    (tmp_path / "model" / "tokenizer.json").touch()
    check_tasks([own], str(tmp_path / "model"))


@pytest.mark.parametrize(
    ("own", "past"),
    [
        ({}, ["127.0.0.1"]),
        ({"NO_PROXY": "a.org"}, ["127.0.0.1", "a.org"]),
        ({"NO_PROXY": "a.org", "no_proxy": "*"}, ["127.0.0.1", "a.org", "huggingface.co"]),
    ],
)
def test_no_proxy_stands_between_lm_eval_and_the_server(lines, tmp_path, monkeypatch, own, past):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)

    def started(name, command, log, environment):
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        raise ProcessError("started")

    monkeypatch.setattr(accuracy, "LoggedProcess", started)
    server = SimpleNamespace(url="http://127.0.0.1:20000/v1", longest=lambda: 512)
    task = Task(task="own", questions=lines({"question": "one?", "answer": "1"}))
    with pytest.raises(ProcessError, match="started"):
        Evaluation(tmp_path, tmp_path, "tokenizer", 1, chat=False).run("own", task, server, str)
    hosts = ("127.0.0.1", "a.org", "huggingface.co")
    assert [host for host in hosts if proxy_bypass_environment(host)] == past


RESULTS = {
    "alias": "gsm8k",
    "exact_match,strict-match": 0.5,
    "exact_match_stderr,strict-match": 0.5,
    "exact_match,flexible-extract": 1.0,
    "exact_match_stderr,flexible-extract": 0.0,
}
SAMPLES = [
    {"doc_id": place, "filter": name, "exact_match": value, "resps": [["the 7 litres"]], "target": "7"}
    for name, values in (("strict-match", (0.0, 1.0)), ("flexible-extract", (1.0, 1.0)))
    for place, value in ((1, values[1]), (0, values[0]))
]


def test_a_score_is_read_question_by_question():
    score = read_accuracy(Task(task="gsm8k"), RESULTS, SAMPLES)
    assert (score.metric, score.value, score.stderr) == ("exact_match (strict-match)", 0.5, 0.5)
    assert (score.questions, score.right) == (2, (False, True))


def test_a_score_between_right_and_wrong_is_neither():
    samples = [{"doc_id": place, "filter": "none", "acc": value} for place, value in enumerate((1.0, 0.3))]
    score = read_accuracy(Task(task="truthfulqa_mc2"), {"acc,none": 0.65, "acc_stderr,none": 0.35}, samples)
    assert (score.value, score.stderr, score.questions, score.right) == (0.65, 0.35, 2, ())


def test_another_metric_may_be_asked_for():
    score = read_accuracy(Task(task="gsm8k", metric="exact_match,flexible-extract"), RESULTS, SAMPLES)
    assert (score.value, score.right) == (1.0, (True, True))
    with pytest.raises(ProcessError, match="no metric 'acc'; it has exact_match,strict-match"):
        read_accuracy(Task(task="gsm8k", metric="acc"), RESULTS, SAMPLES)


def test_own_answers_may_contain_what_is_expected(lines):
    path = lines({"question": "a", "answer": "b"})
    samples = [
        {
            "doc_id": 0,
            "filter": "none",
            "exact_match": 0.0,
            "resps": [["About 300 Litres, they say"]],
            "target": "300 litres",
        },
        {
            "doc_id": 1,
            "filter": "none",
            "exact_match": 0.0,
            "resps": [["1300 litres"]],
            "target": "300 litres",
        },
    ]
    task = Task(task="mine", questions=path, match="contains")
    score = read_accuracy(task, {"exact_match,none": 0.0, "exact_match_stderr,none": 0.0}, samples)
    assert (score.metric, score.value, score.right) == ("contains", 0.5, (True, False))
    assert score.stderr == pytest.approx(0.5)
