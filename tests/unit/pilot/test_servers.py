"""Servers that start, fail and stop, and requests to them; vLLM itself is in tests/engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from hola_plugins.pilot.footprint import Footprints
from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.results import Memory
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.server_host import ServerHost
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.state import State
from hola_plugins.pilot.traffic import Traffic
from hola_plugins.pilot.workload import Prompt

STAND_IN = Path(__file__).parent / "stand_in_server.py"
TRAFFIC = Traffic(concurrency=2, max_tokens=8, chat=False, timeout_s=20)

pytestmark = pytest.mark.usefixtures("socket_enabled")


def plan(name: str, model: str = "model") -> ServerPlan:
    return ServerPlan(name, model, "float32")


@pytest.fixture
def new_fleet(tmp_path):
    """Gives a function that makes a fleet of stand-ins."""
    return lambda timeout=20.0, one_at_a_time=False: Fleet(
        ServerHost(STAND_IN), tmp_path / "logs", timeout, one_at_a_time=one_at_a_time
    )


def test_servers_run_together_and_end_with_the_block(new_fleet):
    with new_fleet() as fleet:
        fleet.start([plan("a"), plan("b")])
        a, b = fleet.server(plan("a")), fleet.server(plan("b"))
        assert a.url != b.url
        assert fleet.server(plan("a")) is a
        assert (a.longest(), a.weights) == (512, 1 << 29)
        below = [
            one
            for one in psutil.Process().children(recursive=True)
            if STAND_IN.name in " ".join(one.cmdline())
        ]
        assert len(below) >= 2
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive


@pytest.mark.parametrize(
    ("model", "weights"),
    [
        ("weighed", 7),
        ("weighed, with a draft", 12),
        ("told, with a draft", (1 << 29) + 5),
        ("only a draft", None),
        ("too small to tell", None),
    ],
)
def test_a_drafts_weights_are_added_to_those_of_the_target_and_never_stand_for_them(
    new_fleet, model, weights
):
    with new_fleet() as fleet:
        assert fleet.server(plan("a", model)).weights == weights


def test_one_at_a_time_stops_a_server_before_the_next(new_fleet):
    with new_fleet(one_at_a_time=True) as fleet:
        fleet.start([plan("a"), plan("b")])
        first = fleet.server(plan("a"))
        assert fleet.server(plan("a")) is first
        fleet.server(plan("b"))
        with pytest.raises(ProcessError):
            first.check_running()
        assert fleet.server(plan("a")) is not first


def test_a_server_that_does_not_start_is_named_with_its_last_words_and_not_tried_again(new_fleet, tmp_path):
    with new_fleet() as fleet:
        fleet.start([plan("a", "crash"), plan("b")])
        for _ in range(2):
            with pytest.raises(
                ProcessError, match=r"(?s)the server of a ended with status 1 .*no such model"
            ):
                fleet.server(plan("a", "crash"))
        fleet.server(plan("b"))


def test_a_server_that_never_answers_is_given_up(new_fleet):
    with new_fleet(timeout=1.5) as fleet, pytest.raises(ProcessError, match=r"did not answer within 1\.5 s"):
        fleet.server(plan("a", "hang"))


def test_no_proxy_stands_between(new_fleet, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with new_fleet() as fleet:
        server = fleet.server(plan("a"))
        assert server.longest() == 512
        found = TRAFFIC.run(server.url, [Prompt("0", "all", "a b")], 0, lambda _: None)
    assert (len(found.requests), found.failures) == (1, ())


def test_a_key_for_servers_elsewhere_is_not_asked_for(new_fleet, monkeypatch):
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    given = replace(plan("a"), variables={"VLLM_API_KEY": "another"})
    with new_fleet() as fleet:
        found = TRAFFIC.run(fleet.server(given).url, [Prompt("0", "all", "a b")], 0, lambda _: None)
    assert found.failures == ()


@pytest.mark.parametrize("chat", [False, True])
def test_requests_without_an_answer_are_counted_and_never_among_the_answers(new_fleet, chat):
    prompts = [
        Prompt(str(place), "all", text) for place, text in enumerate(["a b c", "refuse", "cut", "d e"])
    ]
    told = []
    with new_fleet() as fleet:
        found = replace(TRAFFIC, chat=chat).run(fleet.server(plan("a")).url, prompts, 3, told.append)
    assert [(one.prompt, one.repeat, one.tokens_in, one.tokens_out) for one in found.requests] == [
        ("0", 3, 3, 3),
        ("3", 3, 2, 2),
    ]
    assert sorted(one.split(":")[0] for one in found.failures) == ["1", "2"]
    assert [one.split(":")[0] for one in found.lost] == ["2"]
    assert all(0 < one.first_token_s <= one.latency_s for one in found.requests)
    assert found.requests[0].output != found.requests[1].output
    assert told[-1] == 4


def test_a_request_says_whether_passages_were_searched_for_it(new_fleet):
    prompts = [Prompt("plain", "documents", "a b"), Prompt("query", "documents", "c d", searched=True)]
    with new_fleet() as fleet:
        found = TRAFFIC.run(fleet.server(plan("a")).url, prompts, 0, lambda _: None)
    assert [one.searched for one in found.requests] == [False, True]


def test_memory_is_the_most_of_all_runs_with_the_same_packages(new_fleet, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    footprints = Footprints(State(tmp_path / "state"), {"vllm": "1"})
    peaks = []
    for _ in range(2):
        with new_fleet() as fleet:
            footprints.note(fleet.server(plan("a", str(model))))
        found = footprints.get(plan("a", str(model)))
        assert (found.checkpoint, found.weights) == (7, 1 << 29)
        peaks.append(found.peak)
    assert peaks[0] is not None
    assert peaks[1] >= peaks[0] > 1 << 20
    upgraded = Footprints(State(tmp_path / "state"), {"vllm": "2"})
    assert upgraded.get(plan("a", str(model))) == Memory()
