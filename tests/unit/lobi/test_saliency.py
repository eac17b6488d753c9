"""LoRA's estimate of weight gradients against the gradients themselves."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import make, random_rows, target, target_rows

from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.linear import is_transposed, weight_of
from hola_plugins.lobi.saliency import estimate_gradient, lora_saliency
from hola_plugins.lobi.structure import read_structure


def true_importance(model, batches, names):
    """(∂L/∂W · W)² from full weight gradients."""
    found = {}
    for batch in batches:
        model.zero_grad()
        torch.nn.functional.cross_entropy(batch.logits(model), batch.labels()).backward()
        for name in names:
            module = model.get_submodule(name)
            gradient = module.weight.grad.T if is_transposed(module) else module.weight.grad
            found[name] = found.get(name, 0) + (gradient * weight_of(module)).square() / len(batches)
    return found


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_at_full_rank_the_estimate_is_the_gradient(family):
    model = make(family)
    text, structure = read_calibration(random_rows(), 8, 0.25), read_structure(model)
    found = lora_saliency(model, text.fitting, structure, rank=256, seed=0)
    for name, expected in true_importance(model, text.fitting, structure.linear_names).items():
        torch.testing.assert_close(found[name].outputs, expected.sum(1), rtol=1e-3, atol=1e-9)
        torch.testing.assert_close(found[name].inputs, expected.sum(0), rtol=1e-3, atol=1e-9)


def test_at_low_rank_it_ranks_channels_of_a_trained_model():
    model = target()
    text, structure = read_calibration(target_rows(), 8, 0.25), read_structure(model)
    found = lora_saliency(model, text.fitting, structure, rank=16, seed=0)
    expected = true_importance(model, text.fitting, structure.linear_names)
    names = [mlp.inputs[0] for mlp in structure.mlps]
    agreement = [correlation(found[name].outputs, expected[name].sum(1)) for name in names]
    assert sum(agreement) / len(agreement) > 0.6


def test_the_formula():
    b, a = torch.randn(5, 2), torch.randn(2, 7)
    gradient_b, gradient_a = torch.randn(5, 2), torch.randn(2, 7)
    expected = b @ a - (b - gradient_b) @ (a - gradient_a)
    torch.testing.assert_close(estimate_gradient(b, a, gradient_b, gradient_a), expected)


def test_the_model_is_left_as_it_was():
    model = make("llama")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    text = read_calibration(random_rows(), 8, 0.25)
    lora_saliency(model, text.fitting, read_structure(model), rank=4, seed=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def correlation(one, other):
    ranks = torch.stack([one.argsort().argsort(), other.argsort().argsort()]).float()
    return float(torch.corrcoef(ranks)[0, 1])
