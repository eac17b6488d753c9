"""`hola tune` on the embedded target: stopped, gone on with, and its files read by the hosts.

Lo-Bi's part needs the other environment and is left out here, which the summary says.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hola_command import SETTINGS, WAIT_S, start, write_lines

from hola_plugins.hsd.config import load_config
from hola_plugins.tune.choice import Tuned
from hola_plugins.tune.noise import is_gain

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
