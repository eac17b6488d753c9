"""The structure is read from what a model does; what is no dense decoder is refused with the reason."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from small_models import FAMILIES, make

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.structure import read_structure


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_linear_layer_of_the_decoder_is_in_one_group(family):
    model = make(family)
    structure = read_structure(model)
    assert structure.depth == 3
    assert len(structure.linear_names) == len(set(structure.linear_names))
    linear = {
        name
        for name, module in model.named_modules()
        if type(module).__name__ in {"Linear", "Conv1D"} and name.startswith(structure.layers)
    }
    assert set(structure.linear_names) == linear
    assert [group.role for group in structure.groups[:4]] == [
        "attention_in",
        "attention_out",
        "mlp_in",
        "mlp_out",
    ]


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gemma3"])
def test_what_an_engine_fuses_is_one_group(family):
    names = [group.name.split(".", 3)[3] for group in read_structure(make(family)).groups[:4]]
    assert names == ["q_proj+k_proj+v_proj", "o_proj", "gate_proj+up_proj", "down_proj"] or names == [
        "self_attn.q_proj+k_proj+v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj+up_proj",
        "mlp.down_proj",
    ]


def test_layers_that_are_fused_in_the_model_are_one_each():
    groups = read_structure(make("phi3")).groups[:4]
    assert [group.members[0].rpartition(".")[2] for group in groups] == [
        "qkv_proj",
        "o_proj",
        "gate_up_proj",
        "down_proj",
    ]
    assert all(len(group.members) == 1 for group in groups)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_head_of_its_own_weight_is_found(family):
    assert read_structure(make(family, tie_word_embeddings=True)).head is None
    head = read_structure(make(family, tie_word_embeddings=False)).head
    assert (head.members, head.layer, head.role) == (("lm_head",), 3, "head")


def test_parallel_blocks_of_one_input_stay_apart():
    groups = read_structure(make("phi")).groups
    assert [len(group.members) for group in groups[:4]] == [3, 1, 1, 1]


def test_a_mixture_of_experts_is_refused():
    config = transformers.MixtralConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_local_experts=2,
    )
    with pytest.raises(LoBiError, match="expert"):
        read_structure(transformers.MixtralForCausalLM(config))


def test_linear_layers_of_a_class_of_their_own_are_refused():
    config = transformers.FalconConfig(
        vocab_size=64, hidden_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    with pytest.raises(LoBiError, match=r"query_key_value is a FalconLinear, and compressed-tensors packs"):
        read_structure(transformers.FalconForCausalLM(config))


def test_an_encoder_decoder_is_refused():
    config = transformers.T5Config(vocab_size=64, d_model=32, d_ff=32, d_kv=16, num_layers=2, num_heads=2)
    with pytest.raises(LoBiError, match="T5ForConditionalGeneration"):
        read_structure(transformers.T5ForConditionalGeneration(config))


def test_a_module_without_layers_is_refused():
    with pytest.raises(LoBiError, match="Linear is no decoder"):
        read_structure(torch.nn.Linear(2, 2))
