"""A folder holds one run at a time."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hola_plugins.files.locked_folder import locked


def test_a_second_run_is_kept_out_while_the_first_one_lives(tmp_path):
    program = "import sys; from pathlib import Path; from hola_plugins.files.locked_folder import locked\n"
    program += "with locked(Path(sys.argv[1]), ''): print('in', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"in\n"
        with (
            pytest.raises(ValueError, match=r"another run is at work in .*, or go elsewhere"),
            locked(tmp_path, "go elsewhere"),
        ):
            pass
        first.kill()
    with locked(tmp_path, ""):
        pass
