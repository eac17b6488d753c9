"""`hola index` and `hola ask` with the real MiniLM, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
DOCUMENTS = {
    "pump.md": "# Pump\n\nThe inlet valve of the pump closes first. Its handle is painted green. "
    "The outlet valve closes ten seconds later.",
    "boat.txt": "A red boat waits at the bridge. It carries flour to the mill every morning.",
    "oven.md": "# Oven\n\nThe baker lights the oven at four. The first loaves are sold before eight.",
    "rain.txt": "It rained for nine days. The river rose by two metres and the cellar was flooded.",
    "train.txt": "The night train leaves at eleven. It stops twice before it reaches the coast.",
}


def hola(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hola_plugins.cli", *arguments]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text)
    done = hola("index", str(folder))
    assert (done.returncode, done.stdout) == (0, "")
    assert "5 files (0 unchanged): 5 passages added" in " ".join(done.stderr.split())
    return folder


def test_the_right_passage_comes_first_and_the_rest_is_saved(folder: Path) -> None:
    done = hola("ask", str(folder), "Which valve closes first?", "--k", "1", "--budget", "12")
    assert done.returncode == 0, done.stderr
    assert "1. pump.md" in done.stdout
    assert "saved" in done.stdout


def test_json_is_the_whole_output(folder: Path) -> None:
    done = hola("ask", str(folder / ".hola"), "When does the night train leave?", "--json")
    content = json.loads(done.stdout)
    assert content["documents"][0]["source"] == "train.txt"
    assert content["reason"] == "largest_gap"


def test_a_second_run_embeds_nothing(folder: Path) -> None:
    assert "5 files (5 unchanged): 0 passages added" in " ".join(hola("index", str(folder)).stderr.split())


def test_an_unknown_model_is_named(folder: Path, tmp_path: Path) -> None:
    done = hola(
        "index", str(folder), "--index", str(tmp_path / "other"), "--embedding", str(tmp_path / "none")
    )
    assert done.returncode == 2
    assert "no sentence-transformers model at" in " ".join(done.stderr.split())


def test_a_damaged_index_is_named(folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    assert hola("index", str(folder), "--index", str(index)).returncode == 0
    (vectors,) = index.glob("data-*/vectors.npy")
    vectors.write_bytes(vectors.read_bytes()[:-4])
    done = hola("ask", str(index), "Which valve closes first?")
    assert done.returncode == 2
    assert "vectors.npy has" in "".join(done.stderr.splitlines())


def test_control_c_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    for number in range(16):
        lines = (f"Line {line} of log {number} says {line * 7919 % 1009}." for line in range(600))
        (tmp_path / f"{number}.txt").write_text(" ".join(lines))
    command = [sys.executable, "-m", "hola_plugins.cli", "index", str(tmp_path)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / ".hola" / "corpus.json").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "the same command goes on" in " ".join(messages.split())
    done = hola("index", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(hola("ask", str(tmp_path), "Line 3", "--json").stdout)["k"] > 0
