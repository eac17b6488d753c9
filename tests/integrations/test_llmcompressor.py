"""Every file that an operator copies from integrations/llmcompressor runs: from a model to an answer of vLLM.

Runs in the compress environment. vLLM needs another one: its Python is taken from HOLA_SERVE_PYTHON, or from
`.venv/serve`; without it those tests are skipped.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import serving

pytest.importorskip("llmcompressor")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "integrations" / "llmcompressor"
TARGET = ROOT / "tests" / "models" / "target"
SERVE = Path(os.environ.get("HOLA_SERVE_PYTHON", ROOT / ".venv" / "serve" / "bin" / "python"))
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

needs_vllm = pytest.mark.skipif(
    not SERVE.is_file(), reason=f"no vLLM environment at {SERVE}: make serve-env, or set HOLA_SERVE_PYTHON"
)


def run(*command: str | Path, status: int = 0, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr[-3000:]
    return done.stdout if status == 0 else done.stderr


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded target, compressed for a CPU without AVX-512, which every CPU here serves."""
    folder = tmp_path_factory.mktemp("compressed")
    text = folder / "text.txt"
    text.write_text(inspect.getsource(textwrap) + inspect.getsource(inspect))
    options = ["--ratio", "0.65", "--device", "cpu_avx2", "--samples", "16", "--length", "128"]
    run(sys.executable, FOLDER / "compress.py", TARGET, folder / "small", "--text", text, *options)
    return folder / "small"


def test_the_saved_recipe_makes_the_same_checkpoint_of_the_same_text(
    compressed: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((compressed / "recipe.yaml").read_text().replace(str(compressed), str(tmp_path)))
    command = [FOLDER / "run_recipe.py", TARGET, recipe, tmp_path / "again", "--samples", "16"]
    run(sys.executable, *command, "--length", "128", "--text", compressed.parent / "text.txt")
    first, second = (folder / "model.safetensors" for folder in (compressed, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()


def test_compress_keeps_to_its_ratio_and_writes_recipe_and_report(compressed: Path) -> None:
    size = (compressed / "model.safetensors").stat().st_size
    assert size <= 0.65 * (TARGET / "model.safetensors").stat().st_size
    report = json.loads((compressed / "lobi_report.json").read_text())
    assert report["measured"]["kl"] < 0.05
    assert "W8A8" in (compressed / "recipe.yaml").read_text()
    assert (compressed / "tokenizer.json").is_file()


def test_compress_refuses_an_empty_text(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n\n")
    command = [FOLDER / "compress.py", TARGET, tmp_path / "small", "--text", tmp_path / "text.txt"]
    assert "is empty" in run(sys.executable, *command, status=1)


@pytest.fixture(scope="module")
def server(compressed: Path) -> Iterator[str]:
    """The address of serve_compressed.sh's server."""
    command = [FOLDER / "serve_compressed.sh", compressed]
    with serving(command, ENVIRONMENT | {"PYTHON": str(SERVE)}) as (_, address):
        yield address


def complete(server: str, prompt: str) -> dict[str, Any]:
    body = json.dumps({"model": "hola", "prompt": prompt, "max_tokens": 48, "temperature": 0})
    request = urllib.request.Request(
        f"{server}/v1/completions", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return dict(json.loads(answer.read()))


@needs_vllm
def test_the_server_answers_from_the_compressed_model_and_hsd_drafts(server: str) -> None:
    answer = complete(server, "1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3,")
    assert answer["choices"][0]["text"].strip()
    assert answer["usage"]["completion_tokens"] == 48
    with urllib.request.urlopen(f"{server}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    assert (
        sum(float(one.split()[-1]) for one in lines if one.startswith("vllm:spec_decode_num_drafts_total"))
        > 0
    )


def test_the_server_says_what_it_needs() -> None:
    assert "usage: serve_compressed.sh DIR" in run(FOLDER / "serve_compressed.sh", status=2)


@needs_vllm
def test_demo_compares_before_and_after() -> None:
    output = run(SERVE, FOLDER / "demo.py", "--compress-python", sys.executable)
    rows = json.loads(output.splitlines()[-1])
    original, compressed, drafting = (
        rows[name] for name in ("original", "compressed", "compressed, with HSD")
    )
    assert compressed["bytes"] == drafting["bytes"] < 0.66 * original["bytes"]
    assert compressed["perplexity"] == pytest.approx(original["perplexity"], rel=0.05)
    assert all(one["tokens_per_second"] > 0 and one["resident"] > 0 for one in rows.values())
