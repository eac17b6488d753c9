"""Compression that is killed, goes on from kept scores, or finds no room: in processes of their own."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("llmcompressor")

import yaml
from compress_once import TARGET

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "compress_once.py"


def recipe_in(folder: Path, **settings: object) -> Path:
    """Writes a recipe that keeps its scores in the folder."""
    entry = {"target_ratio": 0.45, "cache": str(folder / "cache"), "tune": {"steps": 0}, **settings}
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump({"lobi_stage": {"lobi_modifiers": {"LoBiModifier": entry}}}))
    return file


def start(recipe: Path, out: Path, **settings: object) -> subprocess.Popen[str]:
    """Starts a run whose log comes on standard error."""
    return subprocess.Popen(
        [sys.executable, "-u", str(SCRIPT), str(TARGET), str(recipe), str(out)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HOLA_TEST_LOG": "INFO"},
        **settings,
    )


def kill_at(process: subprocess.Popen[str], reached: Callable[[str], bool]) -> None:
    """Kills a run when a line of its log tells that it is far enough."""
    assert process.stderr is not None
    for line in process.stderr:
        if reached(line):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def finish(recipe: Path, out: Path) -> tuple[str, dict[str, list[str]]]:
    """Runs to the end; gives the log and the plan."""
    process = start(recipe, out)
    _, log = process.communicate()
    assert process.returncode == 0, log[-4000:]
    saved = yaml.safe_load((out / "recipe.yaml").read_text())
    return log, saved["lobi_stage"]["lobi_modifiers"]["LoBiModifier"]["plan"]


def test_a_run_that_is_killed_after_scoring_goes_on_from_the_kept_scores(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    kill_at(start(recipe, tmp_path / "killed"), lambda line: "best of" in line)
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    (kept,) = (tmp_path / "cache").iterdir()
    log, plan = finish(recipe, tmp_path / "out")
    assert f"scores read from {kept}" in log
    assert "scoring " not in log
    _, fresh = finish(recipe_in(tmp_path, cache=str(tmp_path / "another")), tmp_path / "fresh")
    assert plan == fresh


def test_a_run_that_is_killed_while_scoring_leaves_nothing_that_disturbs_the_next(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)
    kill_at(start(recipe, tmp_path / "killed"), lambda line: "scoring " in line)
    assert not any((tmp_path / "cache").glob("*.json"))
    log, plan = finish(recipe, tmp_path / "out")
    assert "scoring " in log
    assert plan


def test_no_room_for_the_checkpoint_is_an_error_and_keeps_the_scores(tmp_path: Path) -> None:
    recipe = recipe_in(tmp_path)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    process = start(recipe, tmp_path / "out", preexec_fn=limit)
    _, log = process.communicate()
    assert process.returncode != 0
    assert "File too large" in log
    log, _ = finish(recipe, tmp_path / "again")
    assert "scores read from" in log
