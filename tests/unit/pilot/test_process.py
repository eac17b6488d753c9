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
        with pytest.raises(ProcessError, match=r"(?s)the command ended with status 3 \(log: .*the reason"):
            process.finish()
        with pytest.raises(ProcessError, match="status 3"):
            process.check_running()


WORKER = "(Worker pid=7) ERROR 11-30 11:08:59 [executor.py:953]"
LOG = f"""\
(APIServer pid=5) WARNING 11-30 11:08:20 [utils.py:255] This can cause errors like `OSError: [Errno 24]`
(APIServer pid=5) WARNING 11-30 11:08:20 [plugins.py:9] ImportError: no such plugin, it is left out
{WORKER} Traceback (most recent call last):
{WORKER}   File "stores.py", line 9, in get
{WORKER} KeyError: 'node 0'
{WORKER}
{WORKER} During handling of the above exception, another exception occurred:
{WORKER}
{WORKER} Traceback (most recent call last):
{WORKER}     raise ValueError(
{WORKER} ValueError: 1 validation error for Memory
{WORKER}   available is less than desired
{WORKER}     For further information ask the operator
Traceback (most recent call last):
  File "engine.py", line 44, in start
RuntimeError: Engine core initialization failed. See root cause above.
{chr(10).join("[rank0] leaked one" for _ in range(30))}
"""
"""What vLLM writes when a worker cannot start: the reason first, and what follows from it last."""


HANDLED = """\
Traceback (most recent call last):
  File "plugins.py", line 3, in load
    import triton
ModuleNotFoundError: No module named 'triton'
INFO 11-30 11:08:21 [plugins.py:12] going on without it
"""
INVALID = """\
Traceback (most recent call last):
  File "config.py", line 8, in __init__
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
tokenizer_mode
  Input should be 'auto' or 'slow' [type=literal_error]
[rank0]:[W1130 11:08:59] a warning of torch
"""
CONVERTED = """\
(APIServer pid=5) Traceback (most recent call last):
(APIServer pid=5) ValueError: Couldn't instantiate the tokenizer from one of: \n\
(APIServer pid=5) (1) a file,
(APIServer pid=5) (2) a slow tokenizer.
(APIServer pid=5) INFO 11-30 11:09:00 [server.py:7] shutting down
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            LOG,
            (
                "ValueError: 1 validation error for Memory available is less than desired For further information ask the "
                "operator; then RuntimeError: Engine core initialization failed. See root cause above."
            ),
        ),
        (
            INVALID,
            (
                "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig tokenizer_mode "
                "Input should be 'auto' or 'slow' [type=literal_error]"
            ),
        ),
        (
            CONVERTED,
            "ValueError: Couldn't instantiate the tokenizer from one of: (1) a file, (2) a slow tokenizer.",
        ),
        (
            HANDLED + HANDLED.replace("ModuleNotFoundError: No", "ImportError: no") + CONVERTED,
            (
                "ModuleNotFoundError: No module named 'triton'; then ValueError: Couldn't instantiate the tokenizer from "
                "one of: (1) a file, (2) a slow tokenizer."
            ),
        ),
        (HANDLED + HANDLED, "ModuleNotFoundError: No module named 'triton'"),
        ("ValueError: " + "a" * 9000, "ValueError: " + "a" * 588 + "..."),
        ("KeyError: 0\nz.py:7: UserWarning: leaked", "KeyError: 0"),
    ],
    ids=["chain", "pydantic", "list", "handled", "twice", "long", "warning"],
)
def test_a_failure_names_the_log_and_the_first_and_last_unconnected_exception(tmp_path, text, reason):
    log = tmp_path / "log"
    program = f"import sys; print({text!r}); sys.exit(1)"
    process = LoggedProcess("the server", [sys.executable, "-c", program], log)
    with process, pytest.raises(ProcessError) as caught:
        process.finish()
    assert str(caught.value) == f"the server ended with status 1 (log: {log}):\n{reason}"


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
