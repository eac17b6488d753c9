"""Every file that an operator copies from integrations/vllm runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import serving

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "integrations" / "vllm"


def _run(*command: str, timeout: float = 600) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    with serving([*command, "--config", FOLDER / "serve.yaml"], os.environ) as (_, address):
        yield f"{address}/v1"


def test_client_streams_from_the_server_of_serve_yaml(server: str) -> None:
    assert _run(str(FOLDER / "client.py"), "--url", server, "--tokens", "16", "def add(a, b):").strip()


def test_offline_shows_the_counters() -> None:
    output = _run(str(FOLDER / "offline.py"), "--tokens", "48")
    assert "transitions" in output


def test_compare_gives_equal_output_for_every_method(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join((FOLDER / "prompts.jsonl").read_text().splitlines(keepends=True)[::3]))
    output = _run(
        str(FOLDER / "compare.py"), "--prompts", str(prompts), "--tokens", "32", "--rounds", "2", timeout=900
    )
    methods = json.loads(output.splitlines()[-1])["methods"]
    assert set(methods) == {"none", "vLLM ngram", "HSD"}
    assert all(one["equal"] for one in methods.values())
    assert methods["HSD"]["drafts"] > 0


def test_compare_leaves_out_what_is_too_long_and_says_so(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(json.dumps({"prompt": "1, 2, 3, " * 400}) + "\n")
    answer = subprocess.run(
        [sys.executable, str(FOLDER / "compare.py"), "--prompts", str(prompts)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "1 of 1 prompts are left out" in answer.stdout
    assert "raise --max-model-len" in answer.stderr


def test_compare_names_a_bad_line(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "a"}\n{"text": "b"}\n')
    done = subprocess.run(
        [sys.executable, str(FOLDER / "compare.py"), "--prompts", str(prompts)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "line 2" in done.stderr
