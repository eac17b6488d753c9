"""Recovery helps or is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from safetensors.torch import load_file
from small_models import TARGET, target, target_rows
from transformers import AutoModelForCausalLM

from hola_plugins.lobi import compression
from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.config import LoraConfig, PruneConfig, load_config
from hola_plugins.lobi.cut import apply_cut, plan_cut
from hola_plugins.lobi.divergence import measure, record
from hola_plugins.lobi.quantisation_plan import allocate_bits
from hola_plugins.lobi.recovery import recover
from hola_plugins.lobi.saliency import lora_saliency
from hola_plugins.lobi.structure import read_structure


@pytest.fixture
def pruned():
    """The target with a third of its channels cut, the text, and what the whole one says to it."""
    model, text = target(), read_calibration(target_rows(12), 12, 0.25)
    fitting, held_out = record(model, text.fitting, 256), record(model, text.held_out)
    structure = read_structure(model)
    saliency = lora_saliency(model, text.fitting, structure, 8, 0)
    apply_cut(model, structure, saliency, plan_cut(model, structure, PruneConfig(channels=0.33)))
    return model, read_structure(model), text, fitting, held_out


def test_distillation_brings_the_cut_model_closer(pruned, tmp_path):
    model, structure, text, fitting, held_out = pruned
    config = LoraConfig(steps=12, check_every=4, adapter=str(tmp_path / "adapter"))
    found = recover(model, structure, text, fitting, held_out, config, seed=0)
    assert found.after < found.before
    assert found.after == measure(model, text.held_out, held_out).kl
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").touch()
    modes = [(tmp_path / name).stat().st_mode for name in ("adapter", "adapter/adapter_model.safetensors")]
    assert modes == [(tmp_path / name).stat().st_mode for name in ("new", "new/file")]
    assert read_structure(model) == structure


@pytest.mark.parametrize("loss", ["distillation", "language_modelling"])
def test_a_recovery_that_harms_is_taken_back(pruned, loss, tmp_path):
    model, structure, text, fitting, held_out = pruned
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    config = LoraConfig(
        steps=6, check_every=2, learning_rate=1.0, loss=loss, adapter=str(tmp_path / "adapter")
    )
    found = recover(model, structure, text, fitting, held_out, config, seed=0)
    assert found.after == found.before
    assert found.steps == 0
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize("learning_rate", [1e-3, 1.0])
def test_rotary_frequencies_stay_and_weights_have_their_dtype_again(learning_rate):
    model = AutoModelForCausalLM.from_pretrained(TARGET, dtype=torch.bfloat16).eval()
    text = read_calibration(target_rows(), 8, 0.25)
    fitting, held_out = record(model, text.fitting, 256), record(model, text.held_out)
    before = {name: tensor.clone() for name, tensor in model.named_buffers()}
    config = LoraConfig(steps=2, check_every=2, learning_rate=learning_rate)
    recover(model, read_structure(model), text, fitting, held_out, config, seed=0)
    after = dict(model.named_buffers())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}
    assert {tensor.dtype for tensor in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("chosen", [0, 1])
def test_of_several_cuts_the_adapter_of_the_chosen_one_is_kept(tmp_path, monkeypatch, chosen):
    cuts = [PruneConfig(channels=0.33), PruneConfig(channels=0.66)]
    monkeypatch.setattr(compression, "candidate_cuts", lambda *_: cuts)
    tried = []

    def judged(*arguments):
        found = allocate_bits(*arguments)
        kl = 0.0 if len(tried) == chosen else 1.0
        tried.append(kl)
        best = replace(found.best, quality=replace(found.best.quality, kl=kl))
        return replace(found, measured=[best])

    monkeypatch.setattr(compression, "allocate_bits", judged)
    lora = {"steps": 4, "check_every": 2, "adapter": str(tmp_path / "adapter")}
    settings = {"target_bits": 9.0, "prune": "auto", "quantizer": "rtn", "guard": False, "lora": lora}
    model = target()
    outcome = compression.compress(model, target_rows(), load_config(settings))
    assert outcome.prune == cuts[chosen]
    assert len(tried) == 2
    factors = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    widths = {tensor.shape[1] for name, tensor in factors.items() if "down_proj.lora_A" in name}
    assert widths == {model.config.intermediate_size} == {(256, 128)[chosen]}


def test_where_nothing_is_recovered_no_adapter_is_kept_and_a_warning_says_so(tmp_path, caplog):
    lora = {"steps": 4, "adapter": str(tmp_path / "adapter")}
    settings = {"target_ratio": 0.9, "prune": "auto", "quantizer": "rtn", "guard": False, "lora": lora}
    outcome = compression.compress(target(), target_rows(), load_config(settings))
    assert outcome.recovery is None
    assert not (tmp_path / "adapter").exists()
    assert "no adapter is kept" in caplog.text
