"""`hola tune` on the embedded target: stopped, gone on with, and its files read by the hosts.

Lo-Bi's part needs the environment of llmcompressor, whose Python is taken from HOLA_COMPRESS_PYTHON: a tuning of its own
makes a model that is smaller, and its files are run, the recipe by llmcompressor and the server's by vLLM.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml
from engine_process import MODEL
from hola_command import ROOT, SETTINGS, WAIT_S, start, write_lines
from serving import serving

from hola_plugins.hsd.config import load_config
from hola_plugins.tune.choice import Tuned
from hola_plugins.tune.noise import is_gain

COMPRESS_PYTHON = Path(os.environ.get("HOLA_COMPRESS_PYTHON", ROOT / ".venv" / "compress" / "bin" / "python"))
PLACES = ("cellar", "attic", "garden", "stable", "tower", "harbour", "mill", "bakery")
PILOT = {
    **SETTINGS,
    "repeats": 3,
    "documents": {"path": "documents", "queries": "queries.jsonl", "chunk": 400, "k": 4},
    "accuracy": [{"task": "keys", "questions": "queries.jsonl", "match": "contains", "max_tokens": 8}],
}
TUNE = {
    "pilot": "pilot.yaml",
    "out": "out",
    "floor": {"recall": 0.5},
    "ceiling": {"latency_s": 60.0},
    "held_out": 0.5,
    "retrieval": {"token_budget": [200, 30, 5]},
    "lobi": {"budget": ["70%"], "trials": 1},
    "hsd": {"tau": ["auto"], "levels": [["request"]], "trials": 1},
}
LOBI_PILOT = {
    **SETTINGS,
    "compress_python": str(COMPRESS_PYTHON),
    "accuracy": [{"task": "arc_easy", "data": "arc.jsonl"}],
}
LOBI_TUNE = {
    "pilot": "pilot.yaml",
    "out": "out",
    "floor": {"accuracy": 0.5},
    "ceiling": {"memory_gib": 16.0},
    "minimise": "memory",
    "held_out": 0.5,
    "retrieval": None,
    "lobi": {"budget": ["70%"], "prune": ["25%"], "trials": 1},
    "hsd": None,
}
SAYING = "the one that was swept on every Monday of the year before and hangs on a hook"
"""So long that a number is the likelier answer to any model."""


class Workplace:
    """A folder with both configurations and all that they name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        (folder / "documents").mkdir()
        for number, place in enumerate(PLACES):
            text = f"The key of the {place} hangs on hook {number + 10}. The {place} is swept on Mondays."
            (folder / "documents" / f"{place}.md").write_text(text)
        rows = [
            {"question": f"Where hangs the key of the {place}?", "answer": f"hook {number + 10}"}
            for number, place in enumerate(PLACES)
        ]
        write_lines(folder / "queries.jsonl", rows)
        prompts = [{"prompt": ", ".join(str(first + one) for one in range(12)) + ","} for first in range(8)]
        write_lines(folder / "prompts.jsonl", prompts)
        self.tune = dict(TUNE)
        (folder / "pilot.yaml").write_text(yaml.safe_dump(PILOT))

    def start(self) -> subprocess.Popen[str]:
        """Starts the command as a user does."""
        return start("tune", self.tune, self.folder / "tune.yaml")

    def run(self) -> tuple[Tuned, str]:
        """Runs the command to its end; its status tells whether what it found is sound."""
        process = self.start()
        output, _ = process.communicate(timeout=WAIT_S)
        tuned = Tuned.model_validate_json((self.out / "tuned" / "tuned.json").read_bytes())
        assert process.returncode == (0 if tuned.sound else 1), output[-4000:]
        return tuned, output


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("tune"))


@pytest.fixture(scope="module")
def killed(work: Workplace) -> int:
    """Kills a tuning once servers are to be searched with; gives the lines of the journal."""
    process = work.start()
    until = time.monotonic() + WAIT_S
    while not list((work.out / "logs").glob("server-no-drafts.log")):
        assert process.poll() is None, process.communicate()[0][-4000:]
        assert time.monotonic() < until, "no server in time"
        time.sleep(0.1)
    process.kill()
    process.communicate()
    return len((work.out / "state" / "search" / "trials.log").read_text().splitlines())


@pytest.fixture(scope="module")
def tuned(work: Workplace, killed: int) -> Tuned:
    """What a tuning finds that goes on after the kill."""
    return work.run()[0]


def test_the_search_of_passages_was_not_done_again(work: Workplace, killed: int, tuned: Tuned) -> None:
    retrieval = tuned.searches[0]
    assert [one.settings for one in retrieval.trials] == [
        {},
        *({"token_budget": one} for one in (200, 30, 5)),
    ]
    kept = (work.out / "state" / "search" / "trials.log").read_text().splitlines()[:killed]
    assert sum('"trial"' in line for line in kept) == 3


def test_the_fewest_tokens_that_keep_the_recall_are_chosen(tuned: Tuned) -> None:
    retrieval = tuned.searches[0]
    assert retrieval.chosen is not None
    assert tuned.choice is not None
    assert tuned.choice.adacomp is not None
    kept = [one for one in retrieval.trials if one.figures.recall >= 0.5]
    assert retrieval.chosen.cost == min(one.cost for one in kept)
    assert tuned.choice.adacomp.token_budget == retrieval.chosen.settings["token_budget"]


def test_drafts_are_compared_with_serving_without_them(tuned: Tuned) -> None:
    hsd = tuned.searches[2]
    assert [one.settings for one in hsd.trials] == [{}, {"tau": "auto", "levels": "request"}]
    assert all(one.status == "done" for one in hsd.trials), hsd.trials
    assert all(one.figures.latency_s > 0 and one.figures.memory_gib > 0.1 for one in hsd.trials)
    drafting = hsd.trials[1]
    assert len(drafting.turns) == PILOT["repeats"]
    assert drafting.again or drafting.cost >= 0
    assert hsd.chosen == (drafting if drafting.again and is_gain(drafting.turns) else hsd.trials[0])


def test_the_choice_is_measured_on_what_was_held_out(work: Workplace, tuned: Tuned) -> None:
    for name in ("latency_s", "latency_p95_s", "memory_gib", "recall", "tokens", "accuracy"):
        assert getattr(tuned.held_out, name) is not None, name
        assert getattr(tuned.reference, name) is not None, name
    assert (tuned.no_gain is None) == (tuned.held_out.speedup > 1)
    parts = [set(path.read_text().splitlines()) for path in sorted((work.out / "data").glob("prompts-*"))]
    assert [len(one) for one in parts] == [4, 4]
    assert not parts[0] & parts[1]


def test_the_hosts_read_the_files(work: Workplace, tuned: Tuned) -> None:
    code = (
        "import json, sys; "
        "from vllm.utils.argparse_utils import FlexibleArgumentParser; "
        "from vllm.entrypoints.launchers.cli_args import make_arg_parser; "
        "found = make_arg_parser(FlexibleArgumentParser()).parse_args(['--config', sys.argv[1]]); "
        "print(json.dumps([found.model, found.max_model_len, found.speculative_config, found.additional_config]))"
    )
    command = [sys.executable, "-c", code, str(work.out / "tuned" / "serve.yaml")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    model, length, speculative, additional = json.loads(answer.stdout.splitlines()[-1])
    assert (model, length) == (tuned.choice.model, 512)
    if tuned.choice.hsd is None:
        assert speculative is None
    else:
        assert speculative["num_speculative_tokens"] == 8
        assert load_config(additional["hola"]["hsd"]).levels == ("request",)


def test_what_cannot_be_searched_is_said(tuned: Tuned) -> None:
    assert tuned.searches[1].trials == ()
    assert "compress_python" in tuned.searches[1].note


def test_what_no_setting_keeps_is_said_with_the_nearest(work: Workplace, tuned: Tuned) -> None:
    work.tune["floor"] = {"recall": 0.5}
    work.tune["lobi"] = None
    work.tune["ceiling"] = {"memory_gib": 0.001}
    found, output = work.run()
    assert found.choice is None
    assert not found.sound
    assert "no setting keeps all limits" in found.infeasible
    assert "memory_gib" in output
    assert not (work.out / "tuned" / "serve.yaml").exists()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tuned]:
    """Tunes for the smallest model; gives the folder of the files, and what was found."""
    if not COMPRESS_PYTHON.is_file():
        pytest.skip(f"no llmcompressor at {COMPRESS_PYTHON}: make compress-env, or set HOLA_COMPRESS_PYTHON")
    folder = tmp_path_factory.mktemp("tune-lobi")
    write_lines(folder / "prompts.jsonl", [{"prompt": f"{one}, {one + 1}, {one + 2},"} for one in range(8)])
    questions = [
        {"query": f"Which number follows {one}?", "choices": [SAYING, str(one + 1)], "gold": 1}
        for one in range(8)
    ]
    write_lines(folder / "arc.jsonl", questions)
    (folder / "pilot.yaml").write_text(yaml.safe_dump(LOBI_PILOT))
    output, _ = start("tune", LOBI_TUNE, folder / "tune.yaml").communicate(timeout=WAIT_S)
    tuned = folder / "out" / "tuned"
    assert (tuned / "tuned.json").is_file(), output[-4000:]
    return tuned, Tuned.model_validate_json((tuned / "tuned.json").read_bytes())


def test_a_smaller_model_that_answers_as_well_is_chosen(small: tuple[Path, Tuned]) -> None:
    _, tuned = small
    lobi = tuned.searches[1]
    plain, trial = lobi.trials
    assert trial.settings == {"budget": "70%", "prune": "25%"}
    assert trial.status == "done", trial.error
    assert lobi.chosen == trial
    assert trial.figures.checkpoint_mb < 0.71 * plain.figures.checkpoint_mb
    assert tuned.choice is not None
    assert tuned.choice.lobi is not None
    assert (tuned.choice.lobi.budget, tuned.choice.lobi.prune) == ("70%", "25%")
    assert (tuned.unconfirmed, tuned.broken) == (None, ())
    assert tuned.held_out.accuracy == 1.0


def test_llmcompressor_runs_the_recipe(small: tuple[Path, Tuned], tmp_path: Path) -> None:
    folder, tuned = small
    text = tmp_path / "text.txt"
    text.write_text(
        "\n\n".join(f"The key hangs on hook {one}, and {one} more are swept." for one in range(99))
    )
    script = ROOT / "integrations" / "llmcompressor" / "run_recipe.py"
    arguments = [
        MODEL,
        folder / "recipe.yaml",
        tmp_path / "again",
        "--text",
        text,
        "--samples=8",
        "--length=64",
    ]
    done = subprocess.run(
        [COMPRESS_PYTHON, script, *arguments],
        env=os.environ | {"LD_PRELOAD": ""},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    original, found, made = (
        json.loads((one / "config.json").read_text())
        for one in (MODEL, Path(tuned.choice.model), tmp_path / "again")
    )
    assert made["intermediate_size"] == found["intermediate_size"] < original["intermediate_size"]
    assert made["quantization_config"] == found["quantization_config"]


def test_vllm_serves_the_model_as_the_file_says(small: tuple[Path, Tuned]) -> None:
    folder, tuned = small
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--config",
        str(folder / "serve.yaml"),
    ]
    with serving(command, os.environ | {"VLLM_LOGGING_LEVEL": "WARNING"}) as (_, url):
        (model,) = httpx.get(f"{url}/v1/models").raise_for_status().json()["data"]
        assert model["id"] == tuned.choice.model
        asked = {"model": model["id"], "prompt": "1, 2, 3,", "max_tokens": 8, "temperature": 0.0}
        answer = httpx.post(f"{url}/v1/completions", json=asked, timeout=60).raise_for_status().json()
    assert answer["usage"]["completion_tokens"] == 8
