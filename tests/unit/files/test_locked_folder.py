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


def test_a_run_that_leaves_nothing_leaves_no_folder(tmp_path):
    with pytest.raises(OSError, match="no model"), locked(tmp_path / "new", ""):
        raise OSError("no model")
    with locked(tmp_path / "filled", ""):
        (tmp_path / "filled" / "file").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["filled"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(ValueError, match=r"file must be a folder, .* go elsewhere"),
        locked(tmp_path / "file", "go elsewhere"),
    ):
        pass
