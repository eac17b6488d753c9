"""Tuning stays on the grid, brings a quantised model closer to the original, or is taken back."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import make, random_rows, target, target_rows

from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.config import TuneConfig
from hola_plugins.lobi.divergence import measure, record
from hola_plugins.lobi.fake_quantisation import inputs_rounded
from hola_plugins.lobi.precision import float32_on_cpu
from hola_plugins.lobi.quantise import NearestRounding, weight_scale
from hola_plugins.lobi.scheme import SCHEMES, parse_scheme
from hola_plugins.lobi.stand_in import standing_in
from hola_plugins.lobi.structure import read_structure
from hola_plugins.lobi.tunable import QuantisedLayer, Scales
from hola_plugins.lobi.tuning import tune


def quantise_layer(module, scheme):
    """Rounds a layer's weight in place, as a host does."""
    original = module.weight.detach().clone()
    grouped = original.float().reshape(len(original), -1, scheme.group_size or original.shape[1])
    scales = weight_scale(grouped, scheme)[..., 0].to(original.dtype)
    module.weight.data.copy_(NearestRounding(original.dtype)("", original, scheme))
    module.weight_scale = torch.nn.Parameter(scales, requires_grad=False)
    return QuantisedLayer(module, scheme)


def quantise_model(model, scheme):
    return {
        name: quantise_layer(model.get_submodule(name), scheme) for name in read_structure(model).linear_names
    }


def tune_target(scheme_name, **settings):
    """Tunes the quantised target; gives it, its layers, what was found, and the measured divergence."""
    model, scheme = target().bfloat16(), parse_scheme(scheme_name)
    text = read_calibration(target_rows(12), 12, 0.25)
    fitting, held_out = record(model, text.fitting, 256), record(model, text.held_out)
    layers = quantise_model(model, scheme)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    config = TuneConfig(**settings)
    found = tune(model, layers, "model.layers", text, fitting, held_out, config, seed=0)
    written = {one.module: Scales(one).stand_ins for one in layers.values()}
    with inputs_rounded(model, dict.fromkeys(layers, scheme)), float32_on_cpu(model), standing_in(written):
        kl = measure(model, text.held_out, held_out).kl
    return model, layers, before, found, kl


@pytest.mark.parametrize(
    "scheme", [one for one in SCHEMES.values() if one.kind != "none"], ids=lambda one: one.name
)
def test_before_training_a_layer_is_what_the_host_made_of_it(scheme):
    module = target().bfloat16().model.layers[0].mlp.down_proj
    scales = Scales(quantise_layer(module, scheme))
    before = module.weight.clone()
    scales.write()
    assert torch.equal(before, module.weight)


@pytest.mark.parametrize("scheme_name", ["W4A16", "W4A16_CHANNEL", "FP8"])
def test_tuning_brings_a_quantised_model_closer(scheme_name):
    _, _, _, found, kl = tune_target(scheme_name, steps=12, check_every=4, learning_rate=5e-4)
    assert found.steps > 0
    assert found.after < found.before
    assert kl == pytest.approx(found.after, rel=1e-3)


def test_tuning_leaves_eight_bits_no_worse():
    _, _, _, found, kl = tune_target("W8A8", steps=8, check_every=4)
    assert found.after <= found.before
    assert kl == pytest.approx(found.after, rel=1e-3)


def test_tuned_weights_are_levels_of_the_scheme():
    model, layers, before, found, _ = tune_target("W4A16", steps=12, check_every=4)
    assert found.steps > 0
    moved = 0
    for name, layer in layers.items():
        steps = (
            layer.module.weight.float().unflatten(1, (layer.module.weight_scale.shape[1], -1))
            / layer.module.weight_scale.float()[..., None]
        )
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=0.05)
        assert steps.round().min() >= -8 and steps.round().max() <= 7
        moved += not torch.equal(before[f"{name}.weight"], layer.module.weight)
    assert moved == len(layers)
    assert torch.equal(before["model.embed_tokens.weight"], model.model.embed_tokens.weight)


def test_tuning_that_harms_changes_nothing():
    model, _, before, found, kl = tune_target("W4A16", steps=6, check_every=3, learning_rate=1.0)
    assert (found.steps, found.after) == (0, found.before)
    assert kl == pytest.approx(found.before, rel=1e-3)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("family", ["gemma3", "phi", "qwen2"])
def test_other_families_are_tuned(family):
    model = make(family).bfloat16()
    text = read_calibration(random_rows(), 8, 0.25)
    fitting, held_out = record(model, text.fitting), record(model, text.held_out)
    layers = quantise_model(model, parse_scheme("W4A16_G32"))
    config = TuneConfig(steps=8, check_every=4)
    found = tune(model, layers, "model.layers", text, fitting, held_out, config, seed=0)
    assert found.after <= found.before
    assert all(parameter.grad is None for parameter in model.parameters())
