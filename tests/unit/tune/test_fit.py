"""Whether the baseline takes the longest of its prompts, found out once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.state import State
from hola_plugins.pilot.workload import Prompt
from hola_plugins.tune.fit import check_fit

PROMPTS = [Prompt("short", "all", "a"), Prompt("long", "all", "a b c"), Prompt("middle", "all", "a b")]


class Traffic:
    """Notes what is sent; answers it, refuses it, or loses it."""

    def __init__(self, failures=(), lost=()):
        self.failures, self.lost, self.sent = failures, lost, []

    def __repr__(self):
        return "traffic"

    def run(self, url, prompts, repeat, answered):
        self.sent += [(url, one.id) for one in prompts]
        return SimpleNamespace(failures=self.failures, lost=self.lost)


@pytest.fixture
def check(tmp_path):
    """Gives a function that checks over some traffic, and ends the server that it started."""

    (tmp_path / "documents").mkdir()
    for name in ("prompts.jsonl", "queries.jsonl"):
        (tmp_path / name).touch()

    def check(traffic, **settings):
        running = []

        def start(plan):
            running.append(plan.name)
            return SimpleNamespace(url=plan.name, check_running=lambda: None)

        fleet = SimpleNamespace(server=start, release=lambda plan: running.remove(plan.name))
        pilot = PilotConfig.model_validate(
            {"model": "owner/name", "prompts": "prompts.jsonl", **settings}, context={"folder": tmp_path}
        )
        bench = SimpleNamespace(
            pilot=pilot,
            contexts=SimpleNamespace(prompts={"fixed": PROMPTS}.__getitem__),
            arena=SimpleNamespace(fleet=fleet, traffic=traffic, show=lambda doing: None),
        )
        try:
            check_fit(bench, State(tmp_path / "state"))
        finally:
            assert running == []

    return check


def test_the_longest_prompt_is_sent_to_the_baseline_once(check):
    traffic = Traffic()
    check(traffic)
    check(traffic)
    assert traffic.sent == [("baseline", "long")]


def test_a_refusal_names_what_makes_it_fit_and_is_tried_again(check):
    refusing = Traffic(failures=("long: at most 2 tokens",))
    documents = {"path": "documents", "queries": "queries.jsonl", "k": 20}
    with pytest.raises(
        ValueError, match=r"refused: long: at most 2 tokens; .*'max-model-len'.*'max_tokens'"
    ) as one:
        check(refusing, documents=documents)
    assert "'documents.k' (20 passages a query)" in str(one.value)
    with pytest.raises(ValueError, match="refused") as another:
        check(refusing)
    assert "documents" not in str(another.value)


def test_a_lost_request_is_no_refusal(check):
    with pytest.raises(ProcessError, match="got no answer: long: timed out"):
        check(Traffic(failures=("long: timed out",), lost=("long: timed out",)))
