"""Lo-Bi on a model whose layers lie on disk, as those of one larger than memory do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("llmcompressor")

from compress_once import TARGET, compress, token_ids
from compressed_tensors.offload import load_offloaded_model

from hola_plugins.llmcompressor import LoBiModifier
from hola_plugins.lobi.config import LoBiError

BRIEF = {"steps": 4, "check_every": 2, "learning_rate": 5e-4}
NAME = "model.safetensors"


def on_disk(folder: Path) -> Any:
    """Loads the target with its decoder layers left on disk."""
    layers = {f"model.layers.{number}": "disk" for number in range(6)}
    places = (
        dict.fromkeys(["model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head"], "cpu") | layers
    )
    with load_offloaded_model():
        return transformers.AutoModelForCausalLM.from_pretrained(
            TARGET, device_map=places, offload_folder=str(folder)
        )


def test_rounding_a_model_on_disk_makes_the_same_checkpoint_as_in_memory(tmp_path: Path) -> None:
    settings = {"target_bits": 6.0, "quantizer": "rtn", "guard": False, "tune": BRIEF}
    compress(TARGET, LoBiModifier(**settings), tmp_path / "in_memory")
    lobi = LoBiModifier(**settings, report=str(tmp_path / "report.json"))
    compress(on_disk(tmp_path / "offload"), lobi, tmp_path / "out")
    assert (tmp_path / "out" / NAME).read_bytes() == (tmp_path / "in_memory" / NAME).read_bytes()


def test_gptq_on_disk_takes_the_plan_for_rounding_and_makes_the_checkpoint_of_memory(tmp_path: Path) -> None:
    rounded = LoBiModifier(target_ratio=0.45, quantizer="rtn")
    compress(TARGET, rounded, tmp_path / "rounded")
    lobi = LoBiModifier(target_ratio=0.45, tune=BRIEF, report=str(tmp_path / "report.json"))
    compress(on_disk(tmp_path / "offload"), lobi, tmp_path / "out")
    assert lobi.plan == rounded.plan
    assert any(scheme.startswith("W4") for scheme in lobi.plan)
    compress(TARGET, LoBiModifier(plan=lobi.plan, tune=BRIEF), tmp_path / "in_memory")
    assert (tmp_path / "out" / NAME).read_bytes() == (tmp_path / "in_memory" / NAME).read_bytes()
    assert (tmp_path / "out" / NAME).read_bytes() != (tmp_path / "rounded" / NAME).read_bytes()


def test_what_gptq_makes_of_a_model_on_disk_fits_the_budget_and_loads(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    compress(
        on_disk(tmp_path / "offload"), LoBiModifier(target_ratio=0.45, report=str(file)), tmp_path / "out"
    )
    report = json.loads(file.read_text())
    size = (tmp_path / "out" / NAME).stat().st_size
    assert size == report["predicted"]["bytes"] <= 0.45 * report["original"]["bytes"]
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    ids = torch.tensor(token_ids(12 * 64, 200))[None]
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=ids).loss)
        original = float(transformers.AutoModelForCausalLM.from_pretrained(TARGET)(ids, labels=ids).loss)
    assert loss == pytest.approx(original, abs=0.1)


def test_weights_on_disk_are_not_cut(tmp_path: Path) -> None:
    with pytest.raises(LoBiError, match="some are offloaded"):
        compress(on_disk(tmp_path / "offload"), LoBiModifier(prune=0.33), tmp_path / "out")
