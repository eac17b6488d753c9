"""`hola compress` on a disk that has no room for the checkpoint: an error, and what was there stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llmcompressor")

from compress_once import TARGET
from llmcompressor.core import State

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["1024k", "1400k"], ids=["no room for the weights", "no room for the tokenizer"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A file system of that size, where this process may mount one; the weights have 1,272 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this process may not mount a tmpfs; the test with a limit of the file size remains")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_checkpoint_without_room_leaves_the_old_one(disk: Path, tmp_path: Path) -> None:
    out = disk / "small"
    out.mkdir()
    (out / "config.json").write_text("{}")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "hola_plugins.cli", "compress", TARGET, "--budget", "45%", "--force"),
            *("--out", out, "--cache", tmp_path / "scores", "--device", "cpu"),
            *("--samples", "12", "--sequence-length", "64"),
        ],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert f"{out} was not written: " in done.stderr
    assert "No space left on device" in done.stderr
    assert "is the disk full?" in done.stderr
    assert list(disk.rglob("*")) == [out, out / "config.json"]
    assert (out / "config.json").read_text() == "{}"
    assert len(list((tmp_path / "scores").iterdir())) == 1


def test_a_report_that_would_replace_a_pipe_is_refused_before_the_model_is_touched(tmp_path: Path) -> None:
    from hola_plugins.llmcompressor import LoBiModifier

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a pipe or a device, not a file"):
        LoBiModifier(target_ratio=0.45, report=str(tmp_path / "pipe")).on_initialize(State())
