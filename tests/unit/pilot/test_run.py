"""A whole pilot on stand-in servers: what is measured, kept, measured anew, and what a failure leaves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.passages import retrieve_all
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.results import Accuracy
from hola_plugins.pilot.run import FILE, Pilot
from hola_plugins.pilot.traffic import Traffic
from hola_plugins.pilot.workload import DataError

STAND_IN = Path(__file__).parent / "stand_in_server.py"

pytestmark = pytest.mark.usefixtures("socket_enabled")


class Recorder:
    """Remembers what it is told."""

    def __init__(self):
        self.expected = self.steps = 0

    def expect(self, steps):
        self.expected = steps

    def show(self, doing):
        pass

    def step(self):
        self.steps += 1


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Gives a function that runs a pilot of the baseline and HSD with three prompts."""
    monkeypatch.setenv("STAND_IN_PYTHON", sys.executable)
    (tmp_path / "model").mkdir()
    prompts = ["a b c", "d e", "f g h i"]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": one}) + "\n" for one in prompts))

    def run(fresh=False, **settings):
        given = {
            "model": "model",
            "prompts": "prompts.jsonl",
            "stages": ["baseline", "hsd"],
            "repeats": 2,
            "serve_python": str(STAND_IN),
            "start_timeout_s": 30,
        }
        config = PilotConfig.model_validate(given | settings, context={"folder": tmp_path})
        recorder = Recorder()
        pilot = Pilot(config, "hola pilot", "0" * 64, recorder, fresh=fresh)
        results = pilot.run()
        assert recorder.steps == recorder.expected > 0
        return results, pilot.problems

    return run


def rounds(tmp_path):
    return {one.name: one.stat().st_mtime_ns for one in (tmp_path / "pilot" / "state").glob("round-*.json")}


def test_every_stage_gets_every_prompt_and_the_results_are_written(run, tmp_path):
    results, problems = run(prices={"machine_hour": 2.0})
    assert problems == []
    assert [(one.name, one.status) for one in results.stages] == [("baseline", "done"), ("hsd", "done")]
    for stage in results.stages:
        assert [(one.repeat, one.prompt, one.tokens_in) for one in stage.requests] == [
            (0, "prompt-1", 3),
            (0, "prompt-3", 4),
            (1, "prompt-2", 2),
        ]
    assert results.provenance.added == ("--no-enable-prefix-caching",)
    assert (results.prompts, results.repeats, results.prices.machine_hour) == (3, 2, 2.0)
    written = (tmp_path / "pilot" / FILE).read_text()
    assert type(results).model_validate_json(written) == results


@pytest.mark.parametrize(
    ("settings", "again"),
    [
        ({}, set()),
        ({"title": "Another", "prices": {"machine_hour": 2.0}}, set()),
        ({"hsd": {"draft_tokens": 4}}, {"hsd"}),
        ({"max_tokens": 9}, {"baseline", "hsd"}),
    ],
)
def test_a_second_run_measures_what_the_configuration_touches_and_nothing_else(
    run, tmp_path, settings, again
):
    run()
    before = rounds(tmp_path)
    run(**settings)
    after = rounds(tmp_path)
    assert {name.split("-")[1] for name in after if after[name] != before[name]} == again


def test_other_packages_retrieve_anew(run, tmp_path, monkeypatch):
    (tmp_path / "labels.jsonl").write_text('{"question": "a?", "answer": "b"}\n' * 4)
    (tmp_path / "queries.jsonl").write_text('{"question": "what?"}\n')
    retriever = SimpleNamespace(invoke=lambda question: [])
    index = SimpleNamespace(store=SimpleNamespace(as_retriever=lambda search_kwargs: retriever))
    calls = []

    def measured(*_):
        calls.append("crossed")
        return ()

    def retrieved(*arguments):
        calls.append("passages")
        return retrieve_all(*arguments)

    monkeypatch.setattr("hola_plugins.pilot.contexts.open_documents", lambda *_: index)
    monkeypatch.setattr("hola_plugins.pilot.contexts.retrieve_all", retrieved)
    monkeypatch.setattr("hola_plugins.pilot.run.measure_cross_retrieval", measured)
    done = []
    for version in ("1", "1", "2"):
        packages = {"sentence-transformers": version}
        monkeypatch.setattr(
            "hola_plugins.pilot.environment.versions_in", lambda _, packages=packages: packages
        )
        run(
            stages=["baseline"],
            documents={"path": ".", "queries": "queries.jsonl"},
            cross_domain=[{"name": one, "labels": "labels.jsonl"} for one in ("here", "there")],
        )
        done.append(sorted(calls))
        calls.clear()
    assert done == [["crossed", "passages"], [], ["crossed", "passages"]]


def test_fresh_measures_everything_anew(run, tmp_path):
    run()
    before = rounds(tmp_path)
    run(fresh=True)
    assert not set(before.values()) & set(rounds(tmp_path).values())


def test_a_stage_that_fails_leaves_the_others_and_is_tried_again(run, tmp_path):
    results, problems = run(environment={"STAND_IN_REFUSES": "--speculative-config"})
    baseline, hsd = results.stages
    assert (baseline.status, len(baseline.requests)) == ("done", 3)
    assert (hsd.status, hsd.requests, hsd.memory.peak) == ("failed", (), None)
    assert "--speculative-config is refused" in hsd.error
    log = tmp_path / "pilot" / "logs" / "server-hsd.log"
    assert [one.splitlines()[0] for one in problems] == [
        f"+ HSD: the server of hsd ended with status 1 (log: {log}):"
    ]
    results, problems = run()
    assert ([one.status for one in results.stages], problems) == (["done", "done"], [])


def written_while_measured(monkeypatch, file):
    """Lets a file grow with every round, as a server's own does."""
    sent = Traffic.run

    def run(*arguments):
        found = sent(*arguments)
        with file.open("a") as opened:
            opened.write("one\n")
        return found

    monkeypatch.setattr(Traffic, "run", run)


def test_hsds_telemetry_leaves_its_stage_the_figures(run, tmp_path, monkeypatch):
    file = tmp_path / "hsd.jsonl"
    file.touch()
    written_while_measured(monkeypatch, file)
    results, problems = run(hsd={"settings": {"telemetry": {"jsonl": str(file)}}})
    assert [(one.status, len(one.requests)) for one in results.stages] == [("done", 3), ("done", 3)]
    assert problems == []


def test_a_stage_whose_files_change_while_it_is_measured_fails_and_is_tried_again(run, tmp_path, monkeypatch):
    file = tmp_path / "template.jinja"
    file.touch()
    with monkeypatch.context() as patch:
        written_while_measured(patch, file)
        results, problems = run(stages=["baseline"], engine={"chat-template": str(file)})
    (stage,) = results.stages
    assert (stage.status, stage.requests) == ("failed", ())
    assert problems == [f"Baseline: {stage.error}"]
    assert stage.error.startswith("0 of 2 rounds are kept: a file that the settings name changed")
    results, problems = run(stages=["baseline"], engine={"chat-template": str(file)})
    assert ([one.status for one in results.stages], problems) == (["done"], [])


def test_requests_that_fail_are_counted(run, tmp_path):
    with (tmp_path / "prompts.jsonl").open("a") as file:
        file.write('{"prompt": "refuse"}\n')
    results, problems = run()
    assert [(len(one.requests), one.failed_requests) for one in results.stages] == [(3, 1), (3, 1)]
    assert {one.first_failure.split(" - ")[0] for one in results.stages} == {"prompt-4: Error code: 400"}
    assert problems == []


def test_a_server_that_dies_in_the_last_round_fails_its_stage_which_is_measured_anew(
    run, tmp_path, monkeypatch
):
    with (tmp_path / "prompts.jsonl").open("a") as file:
        file.write('{"prompt": "die"}\n')
    monkeypatch.setenv("STAND_IN_DIES", "--speculative-config")
    results, problems = run()
    assert [one.status for one in results.stages] == ["done", "failed"]
    assert (len(problems), problems[0].splitlines()[-1]) == (1, "RuntimeError: the engine died")
    monkeypatch.delenv("STAND_IN_DIES")
    results, problems = run()
    assert ([len(one.requests) for one in results.stages], problems) == ([4, 4], [])


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("cut", "1 of 2 requests got no answer, the first because: prompt-4: the stream ended before"),
        ("daze", "the server of baseline does not answer any more (log: "),
    ],
)
def test_a_round_with_a_lost_request_is_not_kept(run, tmp_path, monkeypatch, prompt, words):
    monkeypatch.setattr("hola_plugins.pilot.server._LAST_S", 0.0)
    with (tmp_path / "prompts.jsonl").open("a") as file:
        file.write(json.dumps({"prompt": prompt}) + "\n")
    results, problems = run(stages=["baseline"])
    assert [one.status for one in results.stages] == ["failed"]
    assert problems[0].startswith(f"Baseline: {words}")
    assert list(rounds(tmp_path)) == ["round-baseline-0.json"]


def test_one_server_at_a_time_gives_the_same(run):
    results, problems = run(one_at_a_time=True)
    assert ([len(one.requests) for one in results.stages], problems) == ([3, 3], [])


def test_without_repeats_there_are_as_many_as_fit(run):
    results, _ = run(repeats=None)
    assert (results.repeats, results.prompts) == (3, 3)
    assert [one.repeat for one in results.stages[0].requests] == [0, 1, 2]


def test_more_repeats_than_prompts_are_refused(run):
    with pytest.raises(DataError, match="'repeats' is 4, and there are 3 prompts and queries to deal"):
        run(repeats=4)


def test_labels_that_do_not_do_are_refused_before_a_server_starts(run, tmp_path):
    (tmp_path / "few.jsonl").write_text('{"question": "a", "answer": "b"}\n')
    with pytest.raises(DataError, match="1 labelled questions; half calibrate: give at least 4"):
        run(
            documents={"path": ".", "queries": "few.jsonl"},
            cross_domain=[{"name": one, "labels": "few.jsonl"} for one in ("here", "there")],
        )
    assert not (tmp_path / "pilot" / "logs").exists()


def test_a_score_that_fails_leaves_its_stage_the_figures_and_is_tried_again(run, tmp_path, monkeypatch):
    pytest.importorskip("lm_eval")
    (tmp_path / "model" / "tokenizer.json").touch()
    (tmp_path / "questions.jsonl").write_text('{"question": "one?", "answer": "1"}\n')
    tasks = [{"task": name, "questions": "questions.jsonl"} for name in ("first", "second")]
    broken = ["first"]

    def scored(evaluation, name, task, server, ask):
        if task.task in broken:
            raise ProcessError("lm-eval ended:\nKeyError")
        return Accuracy(task=task.task, metric="acc", value=1.0, questions=1)

    monkeypatch.setattr("hola_plugins.pilot.accuracy.Evaluation.run", scored)
    results, problems = run(stages=["baseline"], accuracy=tasks)
    (stage,) = results.stages
    assert (stage.status, len(stage.requests)) == ("done", 3)
    assert [one.task for one in stage.accuracy] == ["second"]
    assert stage.unscored == {"first": "lm-eval ended:\nKeyError"}
    assert problems == ["Baseline: lm-eval ended:\nKeyError"]
    broken.clear()
    results, problems = run(stages=["baseline"], accuracy=tasks)
    (stage,) = results.stages
    assert ([one.task for one in stage.accuracy], stage.unscored, problems) == (["first", "second"], {}, [])


def test_questions_that_cannot_be_scored_are_refused_before_a_server_starts(run, tmp_path):
    pytest.importorskip("lm_eval")
    with pytest.raises(DataError, match="no task 'gsm8kk'; did you mean 'gsm8k'"):
        run(accuracy=[{"task": "gsm8kk", "limit": 5}])
    with pytest.raises(DataError, match="model holds no tokenizer"):
        run(accuracy=[{"task": "gsm8k", "limit": 5}])
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(DataError, match="elsewhere holds no tokenizer"):
        run(accuracy=[{"task": "gsm8k"}], engine={"tokenizer": str(tmp_path / "elsewhere")})
    assert not (tmp_path / "pilot" / "logs").exists()
