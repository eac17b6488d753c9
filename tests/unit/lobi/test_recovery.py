"""Recovery helps or is taken back."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from small_models import target, target_rows

from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.config import LoraConfig, PruneConfig
from hola_plugins.lobi.cut import apply_cut, plan_cut
from hola_plugins.lobi.divergence import measure, record
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
    assert (tmp_path / "adapter" / "adapter_config.json").is_file()
    assert read_structure(model) == structure


@pytest.mark.parametrize("loss", ["distillation", "language_modelling"])
def test_a_recovery_that_harms_is_taken_back(pruned, loss):
    model, structure, text, fitting, held_out = pruned
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    config = LoraConfig(steps=6, check_every=2, learning_rate=1.0, loss=loss)
    found = recover(model, structure, text, fitting, held_out, config, seed=0)
    assert found.after == found.before
    assert found.steps == 0
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
