"""Commands on a leash: what a failure says, and that nothing outlives its pilot."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hola_plugins.pilot.process import LoggedProcess, ProcessError

FAMILY = "import os, subprocess, sys, time; p = subprocess.Popen(['sleep', '600']); print(os.getpid(), p.pid, flush=True); time.sleep(600)"
"""A command with a child of its own."""


def pids_in(log: Path) -> list[int]:
    """Waits until the family has written its process ids."""
    for _ in range(200):
        if log.is_file() and len(log.read_text().split()) == 2:
            break
        time.sleep(0.05)
    return [int(one) for one in log.read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pids: list[int]) -> list[int]:
    for _ in range(200):
        alive = [pid for pid in pids if is_running(pid)]
        if not alive:
            return []
        time.sleep(0.05)
    return alive


def test_a_failure_repeats_the_last_lines(tmp_path):
    program = "import sys; print('first'); print('the reason', file=sys.stderr); sys.exit(3)"
    with LoggedProcess("the command", [sys.executable, "-c", program], tmp_path / "log") as process:
        with pytest.raises(ProcessError, match=r"(?s)the command ended with status 3:.*the reason"):
            process.finish()
        with pytest.raises(ProcessError, match="status 3"):
            process.check_running()


def test_leaving_the_block_ends_the_command_and_its_children(tmp_path):
    with LoggedProcess("family", [sys.executable, "-c", FAMILY], tmp_path / "log") as process:
        pids = pids_in(tmp_path / "log")
        process.check_running()
    assert wait_until_gone(pids) == []


def test_a_pilot_that_is_killed_leaves_no_process(tmp_path):
    program = f"""
import sys, time
from pathlib import Path
from hola_plugins.pilot.process import LoggedProcess
LoggedProcess("family", [sys.executable, "-c", {FAMILY!r}], Path(sys.argv[1]))
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log")]) as pilot:
        pids = pids_in(tmp_path / "log")
        pilot.kill()
    assert wait_until_gone(pids) == []
