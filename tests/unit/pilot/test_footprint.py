"""The most memory that a server took: over one run, and over several."""

import threading
from types import SimpleNamespace

import pytest

from hola_plugins.pilot import memory
from hola_plugins.pilot.footprint import Footprints
from hola_plugins.pilot.memory import MemoryWatch
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.state import State


def test_the_peak_is_the_largest_reading(monkeypatch):
    readings, ended = [1, 3, 2], threading.Event()

    def read():
        if readings:
            return readings.pop(0)
        ended.set()
        return 0

    monkeypatch.setattr(memory, "_device_memory", lambda: read)
    monkeypatch.setattr(memory, "_LOOK_EVERY_S", 0.001)
    watch = MemoryWatch(0)
    assert ended.wait(60)
    watch.stop()
    assert watch.peak == 3


@pytest.mark.parametrize(("first", "second"), [(300, 200), (200, 300), (300, None), (None, 300)])
def test_of_two_runs_the_larger_peak_is_kept(tmp_path, first, second):
    model = tmp_path / "model"
    model.mkdir()
    plan = ServerPlan("baseline", str(model), "float32")
    for peak in (first, second):
        footprints = Footprints(State(tmp_path / "state"), {"vllm": "1"})
        footprints.note(SimpleNamespace(plan=plan, weights=None, peak_memory=peak))
    assert footprints.get(plan).peak == 300
