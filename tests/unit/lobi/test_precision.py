"""Half-precision weights are float32 while something is computed, and their own afterwards."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from small_models import make

from hola_plugins.lobi.precision import computed_in_float32, float32_on_cpu


def fail_in_float32(model):
    with float32_on_cpu(model):
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        _ = 1 / 0


def test_weights_come_back_even_after_an_error():
    model = make("llama").bfloat16()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ZeroDivisionError):
        fail_in_float32(model)
    after = model.state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in after.items())
    assert {tensor.dtype for tensor in after.values()} == {torch.bfloat16}


def test_tied_weights_stay_tied():
    model = make("llama", tie_word_embeddings=True).bfloat16()
    with float32_on_cpu(model):
        assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()


def test_a_function_computes_in_float32():
    ids = torch.arange(1, 9)[None]
    run = computed_in_float32(lambda model: model(input_ids=ids).logits)
    model = make("qwen3").bfloat16()
    with torch.no_grad():
        torch.testing.assert_close(run(model), make("qwen3").bfloat16().float()(input_ids=ids).logits)
