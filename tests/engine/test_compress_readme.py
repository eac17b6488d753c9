"""README's example of llmcompressor, as it stands there, on the embedded target.

Runs in the compress environment.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("llmcompressor")

README = Path(__file__).parents[2] / "README.md"
TARGET = Path(__file__).parents[1] / "models" / "target"


def test_the_recipe_makes_a_checkpoint_within_its_budget(tmp_path: Path, monkeypatch) -> None:
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (example,) = (block for block in blocks if "LoBiModifier" in block)
    monkeypatch.chdir(tmp_path)
    texts = [part for part in text.split("\n\n") if len(part) > 200]
    exec(example, {"model": str(TARGET), "texts": texts})
    file = tmp_path / "small" / "model.safetensors"
    assert file.stat().st_size <= 0.45 * (TARGET / "model.safetensors").stat().st_size
    transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "small")
