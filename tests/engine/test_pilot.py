"""`hola pilot` on the embedded target: killed, resumed with more stages, one of which fails and is then mended.

The compressed model needs the environment of llmcompressor, whose Python is taken from HOLA_COMPRESS_PYTHON; without it
that stage is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from engine_process import MODEL
from hola_command import ROOT, SETTINGS, WAIT_S, finish, start, write_lines

from hola_plugins.pilot.results import Results

COMPRESS_PYTHON = Path(os.environ.get("HOLA_COMPRESS_PYTHON", ROOT / ".venv" / "compress" / "bin" / "python"))
WEIGHTS = (MODEL / "model.safetensors").stat().st_size
PASSAGES = {
    "valves.md": "The inlet valve closes first. The outlet valve closes when the pressure has fallen to two bar.",
    "pumps.md": "The pump runs at 1,450 revolutions a minute. Its seal is changed every 8,000 hours of work.",
    "tanks.md": "The tank holds 300 litres. It is drained through the valve at its lowest point in autumn.",
}
QUERIES = [
    {"id": "q0", "question": "Which valve closes first?", "answer": "inlet valve"},
    {"id": "q1", "question": "How many litres does the tank hold?", "answer": "300 litres"},
    {"id": "q2", "question": "When is the seal of the pump changed?", "answer": "8,000 hours"},
    {"id": "q3", "question": "When is the tank drained?", "answer": "autumn"},
]
OTHER_QUERIES = [
    {"question": "When does the outlet valve close?", "answer": "two bar"},
    {"question": "How fast does the pump run?", "answer": "1,450 revolutions"},
    {"question": "Where is the tank drained?", "answer": "lowest point"},
    {"question": "Which valve closes when the pressure has fallen?", "answer": "outlet valve"},
]
EXAMPLES = [
    {
        "question": f"{name} collects {a} cookies every week. How many cookies is that in {b} weeks?",
        "answer": f"In one week there are {a} cookies. In {b} weeks there are {a} * {b} = {a * b} cookies. #### {a * b}",
    }
    for name, a, b in (("Anna", 10, 4), ("Wendy", 4, 3), ("Ben", 2, 5), ("Rosa", 10, 5), ("Uma", 20, 5))
]
"""Word problems as the target learnt them, in GSM8K's form; shown the first, it works out the second and the fourth."""

SAYING = "the one that was drained at its lowest point in the autumn of the year before"
CHOICES = [
    {
        "question": "Which number follows 8?",
        "choices": {"text": ["9", SAYING], "label": ["A", "B"]},
        "answerKey": "A",
    },
    {
        "question": "Which number follows 4?",
        "choices": {"text": ["2", SAYING], "label": ["1", "2"]},
        "answerKey": "2",
    },
    {"query": "Question: Which number follows 5?", "choices": [SAYING, "6"], "gold": 1},
    {"query": "Question: Which number follows 2?", "choices": ["4", SAYING], "gold": 1},
]
"""Questions in both forms of ARC; a number is always the likelier answer, which is right in the first and the third."""

PROMPTS = [
    {
        "id": f"p{number}",
        "category": "counting",
        "prompt": ", ".join(str(number + one) for one in range(12)) + ",",
    }
    for number in range(4)
]


LM_EVAL = [
    {"task": "gsm8k", "data": "gsm8k.jsonl", "train": "gsm8k_train.jsonl", "fewshot": 1, "limit": 4},
    {"task": "arc_easy", "data": "arc.jsonl"},
]
"""EleutherAI's own tasks over local files: one scores what is generated, the other log-likelihoods."""

DOMAINS = [
    {"name": "these", "labels": "queries.jsonl"},
    {"name": "others", "labels": "other.jsonl"},
]
"""Two domains of retrieval; with the files below they are domains of compression too."""

CALIBRATION = ("sums.jsonl", "manual.txt")
"""What the models of the two are compressed with."""

TASKS = [("valves", 2), ("gsm8k", 4), ("arc_easy", 4)]
"""All tasks and their questions."""


class Workplace:
    """A folder with a configuration and all that it names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        (folder / "documents").mkdir()
        for name, text in PASSAGES.items():
            (folder / "documents" / name).write_text(text)
        (folder / "broken").mkdir()
        (folder / "broken" / "config.json").write_text('{"model_type": "llama"}')
        write_lines(folder / "prompts.jsonl", PROMPTS)
        write_lines(folder / "queries.jsonl", QUERIES)
        write_lines(folder / "other.jsonl", OTHER_QUERIES)
        write_lines(folder / "gsm8k_train.jsonl", EXAMPLES[:1])
        write_lines(folder / "gsm8k.jsonl", EXAMPLES[1:])
        write_lines(folder / "arc.jsonl", CHOICES)
        write_lines(folder / "sums.jsonl", 8 * EXAMPLES)
        (folder / "manual.txt").write_text(8 * "\n\n".join(PASSAGES.values()))
        self.settings = {
            **SETTINGS,
            "out": "out",
            "engine": {**SETTINGS["engine"], "distributed-executor-backend": "uni"},
            "environment": {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"},
            "documents": {"path": "documents", "queries": "queries.jsonl", "chunk": 200, "k": 2},
            "adacomp": {"token_budget": 20},
            "lobi": {"budget": "70%", **SETTINGS["lobi"]},
            "accuracy": [
                {
                    "task": "valves",
                    "questions": "queries.jsonl",
                    "match": "contains",
                    "max_tokens": 8,
                    "limit": 2,
                },
                *LM_EVAL,
            ],
            "cross_domain": DOMAINS,
            "prices": {"machine_hour": 1.0},
            "stages": ["baseline"],
        }

    def start(self) -> subprocess.Popen[str]:
        """Starts the command as a user does."""
        return start("pilot", self.settings, self.folder / "pilot.yaml")

    def run(self, status: int) -> Results:
        """Runs the command to its end."""
        finish(self.start(), status)
        return Results.model_validate_json((self.out / "results.json").read_bytes())

    def finished(self) -> dict[str, int]:
        """Gives the finished units with the time of each."""
        return {path.name: path.stat().st_mtime_ns for path in (self.out / "state").glob("*.json")}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("pilot"))


@pytest.fixture(scope="module")
def killed(work: Workplace) -> dict[str, int]:
    """Kills a pilot of the baseline alone after its first round; gives what was finished."""
    process = work.start()
    until = time.monotonic() + WAIT_S
    while not list((work.out / "state").glob("round-*.json")):
        assert process.poll() is None, process.communicate()[0][-4000:]
        assert time.monotonic() < until, "no round in time"
        time.sleep(0.1)
    below = psutil.Process(process.pid).children(recursive=True)
    assert any("api_server" in " ".join(one.cmdline()) for one in below)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(below, timeout=60)
    assert not alive, "a server outlived its pilot"
    return work.finished()


@pytest.fixture(scope="module")
def results(work: Workplace, killed: dict[str, int]) -> Results:
    """The results of a run of all stages after the kill; the last one fails."""
    work.settings |= {"stages": ["baseline", "hsd", "adacomp", "lobi", "all"], "intermediate": "broken"}
    if COMPRESS_PYTHON.is_file():
        work.settings["compress_python"] = str(COMPRESS_PYTHON)
        sides = [{"calibration": file, "task": task} for file, task in zip(CALIBRATION, LM_EVAL, strict=True)]
        work.settings["cross_domain"] = [one | side for one, side in zip(DOMAINS, sides, strict=True)]
    return work.run(status=1)


def test_a_killed_pilot_goes_on_where_it_was(
    work: Workplace, killed: dict[str, int], results: Results
) -> None:
    now = work.finished()
    assert "round-baseline-0.json" in killed
    assert {"round-baseline-1.json", "round-hsd-0.json"} <= set(now)
    assert all(now[name] == killed[name] for name in killed if name.startswith(("round-", "passages-")))


def test_every_stage_is_measured_with_the_same_prompts(results: Results) -> None:
    done = [one for one in results.stages if one.status == "done"]
    assert [one.name for one in done][:3] == ["baseline", "hsd", "adacomp"]
    sent = [[(one.repeat, one.prompt) for one in stage.requests] for stage in done]
    assert all(one == sent[0] for one in sent)
    assert sorted(name for _, name in sent[0]) == sorted(row["id"] for row in [*PROMPTS, *QUERIES])
    assert {repeat for repeat, _ in sent[0]} == {0, 1}
    for stage in done:
        assert stage.failed_requests == 0
        assert all(0 < one.first_token_s <= one.latency_s for one in stage.requests)
        assert all(one.searched == one.prompt.startswith("q") for one in stage.requests)
        assert all(0 < one.tokens_out <= 12 and one.tokens_in > 0 for one in stage.requests)
        assert stage.memory.peak is not None
        assert stage.memory.peak > 100 << 20
    assert done[0].memory.checkpoint == WEIGHTS
    assert done[0].memory.weights is not None
    assert WEIGHTS < done[0].memory.weights < 4 * WEIGHTS


def test_hsd_gives_the_answers_of_the_baseline(results: Results) -> None:
    baseline, hsd = results.stages[:2]
    assert [one.output for one in hsd.requests] == [one.output for one in baseline.requests]
    assert hsd.settings["vllm"]["speculative-config"]


def test_adacomp_sends_fewer_tokens_and_says_how_well_it_found(results: Results) -> None:
    _, hsd, adacomp = results.stages[:3]
    before, after = (sum(one.tokens_in for one in stage.requests) for stage in (hsd, adacomp))
    assert after < before
    assert hsd.retrieval is not None
    assert adacomp.retrieval is not None
    assert (hsd.retrieval.recall, len(adacomp.retrieval.recalls)) == (1.0, 4)
    assert adacomp.retrieval.tokens < hsd.retrieval.tokens


def test_lobi_serves_a_smaller_model(results: Results) -> None:
    lobi = results.stages[3]
    if not COMPRESS_PYTHON.is_file():
        assert (lobi.status, lobi.error) == ("skipped", "no compress_python and no lobi.checkpoint are given")
        pytest.skip(f"no llmcompressor at {COMPRESS_PYTHON}: make compress-env, or set HOLA_COMPRESS_PYTHON")
    assert lobi.status == "done", lobi.error
    assert lobi.memory.checkpoint is not None
    assert lobi.memory.checkpoint < 0.71 * WEIGHTS
    assert lobi.memory.weights is not None
    assert lobi.memory.weights < (results.stages[0].memory.weights or 0)
    assert "--budget 70%" in lobi.settings["hola compress"]
    assert "llmcompressor (compress)" in results.provenance.versions


def test_questions_are_scored_by_lm_eval(results: Results) -> None:
    for stage in results.stages[:3]:
        score = stage.accuracy[0]
        assert (score.task, score.metric, score.questions) == ("valves", "contains", 2)
        assert score.value == sum(score.right) / 2
        assert score.retrieves


def test_lm_evals_own_tasks_score_generation_and_log_likelihoods(results: Results) -> None:
    """HSD drafts the answers of the second stage; where it would change a score, this fails."""
    for stage in results.stages[:3]:
        maths, choices = stage.accuracy[1:]
        assert (maths.task, maths.metric, maths.value) == ("gsm8k", "exact_match (strict-match)", 0.5)
        assert (choices.task, choices.metric, choices.value) == ("arc_easy", "acc", 0.5)
        for score in (maths, choices):
            assert (score.questions, score.right) == (4, (True, False, True, False))
            assert not score.retrieves


def test_every_stage_that_runs_is_scored_on_all_tasks(results: Results) -> None:
    for stage in (one for one in results.stages if one.status == "done"):
        assert [(one.task, one.questions) for one in stage.accuracy] == TASKS
        assert not stage.unscored


def test_retrieval_is_calibrated_on_each_domain_and_measured_on_every_one(results: Results) -> None:
    rows = [one for one in results.cross_domain if one.metric == "recall"]
    names = ("these", "others")
    assert [(one.fitted_on, one.measured_on) for one in rows] == [(a, b) for a in names for b in names]
    assert all(one.method == "adacomp" and one.questions == 2 for one in rows)
    assert all(one.value > 0.0 and one.reference == 1.0 for one in rows)


def test_the_model_is_compressed_on_each_domain_and_measured_on_both(
    work: Workplace, results: Results
) -> None:
    if not COMPRESS_PYTHON.is_file():
        pytest.skip(f"no llmcompressor at {COMPRESS_PYTHON}: make compress-env, or set HOLA_COMPRESS_PYTHON")
    rows = [one for one in results.cross_domain if one.method == "lobi"]
    names = ("these", "others")
    assert [(one.fitted_on, one.measured_on) for one in rows] == [(a, b) for a in names for b in names]
    baseline = results.stages[0].accuracy[1:]
    assert [(one.metric, one.questions, one.reference) for one in rows] == 2 * [
        (one.metric, 4, one.value) for one in baseline
    ]
    assert all(one.value in (0.0, 0.25, 0.5, 0.75, 1.0) for one in rows)
    made = sorted((work.out / "checkpoints").glob("cross-*"))
    plans = {(one / "model.safetensors").read_bytes() for one in made}
    assert len(plans) == 2, "each text makes a model of its own"


def test_a_stage_that_fails_is_reported_failed_and_has_no_figures(results: Results) -> None:
    last = results.stages[4]
    assert (last.status, last.requests, last.accuracy) == ("failed", (), ())
    assert last.error is not None
    assert last.error.startswith("the server of all ended with status")


def test_the_report_lies_beside_the_results(work: Workplace, results: Results) -> None:
    assert "+ AdaComp" in (work.out / "report.html").read_text()
    assert json.loads((work.out / "report.json").read_text())


def test_a_mended_stage_is_measured_and_nothing_else(work: Workplace, results: Results) -> None:
    before = work.finished()
    work.settings["intermediate"] = str(MODEL.parent / "draft")
    mended = work.run(status=0)
    after = work.finished()
    assert all(after[name] == time for name, time in before.items())
    assert [(one.task, one.questions) for one in mended.stages[4].accuracy] == TASKS
    assert {"round-all-0.json", "round-all-1.json"} <= set(after) - set(before)
    last = mended.stages[4]
    assert (last.status, len(last.requests)) == ("done", len(mended.stages[0].requests))
    before_it = [one for one in mended.stages[:4] if one.status == "done"][-1]
    assert (last.memory.weights or 0) > (before_it.memory.weights or 0) > 0, "the draft's are added"
    assert mended.stages[:4] == results.stages[:4]
