"""Paths in and around recipes: up and out, links, pipes, and a disk without room for what `hola recipe` writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hola_plugins.cli import app
from hola_plugins.files.whole_file import write_json, write_text

ROOT = Path(__file__).parents[3]
ENTRY = (
    "lobi_stage: {lobi_modifiers: {LoBiModifier: {target_ratio: 0.45, plan: {W4A16: [model.layers.0]}}}}\n"
)
LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from hola_plugins.cli import app
from hola_plugins.lobi import stock_recipe
import typer, yaml, rich.console
from hola_plugins.files import whole_file
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
app()
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run's recipe, in the working folder."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("recipe.yaml").write_text(ENTRY)
    return tmp_path


def hola(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(
    "path", ["../../x", "../../../../../../../etc", "loop", "/dev/full", "/dev/zero", "pipe"]
)
def test_a_source_that_is_no_recipe_is_named(run, path):
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    status, output = hola("recipe", path)
    assert status == 2
    assert Path(path).name in output


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir])
def test_no_report_takes_the_place_of_a_pipe_or_a_folder(tmp_path, made):
    made(place := tmp_path / "report.json")
    before = place.stat()
    with pytest.raises(
        OSError, match=r"report\.json is a folder, a pipe or a device, not a file: give the path"
    ):
        write_json(place, {})
    assert (place.stat().st_mode, place.stat().st_ino) == (before.st_mode, before.st_ino)
    assert list(tmp_path.iterdir()) == [place]


def test_a_report_out_of_the_folder_goes_there_and_a_link_is_replaced_not_followed(run):
    Path("diary").write_text("dear diary")
    Path("report.json").symlink_to("diary")
    write_text(Path("report.json"), "new")
    write_json(Path("../report.json"), {"new": 1})
    assert Path("diary").read_text() == "dear diary"
    assert Path("report.json").read_text() == "new"
    assert json.loads((run / "report.json").read_text()) == {"new": 1}


@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir])
def test_no_report_takes_the_place_of_a_link_to_a_pipe_or_a_folder(tmp_path, made):
    made(tmp_path / "place")
    (link := tmp_path / "report.json").symlink_to("place")
    with pytest.raises(OSError, match="not a file: give the path"):
        write_json(link, {})
    assert link.is_symlink()


def test_a_recipe_is_written_where_a_link_leads_and_nowhere_else(run):
    (run / "disk.yaml").write_text("old")
    Path("out.yaml").symlink_to("../disk.yaml")
    os.mkfifo("pipe")
    assert hola("recipe", "recipe.yaml", "--out", "out.yaml")[0] == 0
    assert Path("out.yaml").is_symlink()
    assert "config_groups" in (run / "disk.yaml").read_text()
    status, output = hola("recipe", "recipe.yaml", "--out", "pipe")
    assert (status, "not a file" in output) == (2, True)


def test_a_recipe_that_cannot_be_written_leaves_the_old_one(run):
    Path("out.yaml").write_text("old")
    command = [sys.executable, "-c", LIMITED, "recipe", "recipe.yaml", "--out", "out.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2, done.stderr
    assert "out.yaml could not be written and is as it was: File too large" in done.stderr
    assert Path("out.yaml").read_text() == "old"
    assert sorted(path.name for path in Path().iterdir()) == ["out.yaml", "recipe.yaml"]
