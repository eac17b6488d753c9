"""Half-precision weights stand in as float32 while a module runs, and are their own before and after."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import FAMILIES, make

from hola_plugins.lobi.precision import computed_in_float32, float32_on_cpu

IDS = torch.arange(1, 9)[None]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_computes_in_float32(family):
    run = computed_in_float32(lambda model: model(input_ids=IDS).logits)
    model = make(family).bfloat16()
    with torch.no_grad():
        found, expected = run(model), make(family).bfloat16().float()(input_ids=IDS).logits
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_weights_are_their_own_afterwards_even_after_an_error():
    model = make("llama").bfloat16()
    before = dict(model.named_parameters())

    def fail(*_):
        raise RuntimeError("inside")

    hook = model.model.layers[1].mlp.down_proj.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="inside"), float32_on_cpu(model):
        model(input_ids=IDS)
    hook.remove()
    after = dict(model.named_parameters())
    assert list(before) == list(after)
    assert all(before[name] is after[name] for name in before)
    assert model(input_ids=IDS).logits.dtype == torch.bfloat16


def test_tied_weights_stay_tied():
    model = make("llama", tie_word_embeddings=True).bfloat16()
    with float32_on_cpu(model):
        model(input_ids=IDS)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_no_weight_gets_a_gradient():
    model = make("llama")
    with float32_on_cpu(model):
        inputs = torch.randn(1, 4, 64, requires_grad=True)
        model(inputs_embeds=inputs).logits.sum().backward()
    assert inputs.grad is not None
    assert all(parameter.grad is None for parameter in model.parameters())
