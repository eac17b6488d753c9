"""A cut model computes what the whole one does with those channels silenced, and its config can rebuild it."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from small_models import FAMILIES, make, random_rows

from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.config import LoBiError, PruneConfig
from hola_plugins.lobi.cut import apply_cut, plan_cut
from hola_plugins.lobi.linear import weight_of, weight_shape
from hola_plugins.lobi.saliency import Saliency, lora_saliency
from hola_plugins.lobi.structure import read_structure

IDS = torch.arange(1, 17)[None]
WITH_HEADS = ["llama", "qwen3", "mistral", "gemma"]

THREE_A_HEAD = {"num_attention_heads": 6}


def saliency_of(model, structure):
    return lora_saliency(model, read_calibration(random_rows(), 8, 0.25).fitting, structure, 8, 0)


def cut(model, **fractions):
    structure = read_structure(model)
    config = PruneConfig(multiple=32, **fractions)
    return apply_cut(model, structure, saliency_of(model, structure), plan_cut(model, structure, config))


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_cut_model_is_rebuilt_from_its_config(family, tmp_path):
    model = make(family)
    heads = {"kv_heads": 0.5} if family in WITH_HEADS else {}
    shares, layers = cut(model, channels=0.4, layers=0.34, **heads)
    model.save_pretrained(tmp_path)
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits(again), logits(model))
    assert len(read_structure(again).mlps) == 2
    assert len(shares) == 4
    assert len(layers) == 2
    assert all(0 <= share <= 1 for share in shares.values())


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_channels_that_went_were_silenced(family):
    model, silenced = make(family), make(family)
    structure = read_structure(model)
    width = structure.mlps[0].width
    kept = torch.arange(0, width, 2)
    chosen = {
        name: Saliency(torch.zeros(rows), torch.zeros(columns))
        for name in structure.linear_names
        for rows, columns in [weight_shape(model.get_submodule(name))]
    }
    for mlp in structure.mlps:
        chosen[mlp.output].inputs[kept] = 1.0
        weight_of(silenced.get_submodule(mlp.output))[:, 1::2] = 0.0
    apply_cut(model, structure, chosen, plan_cut(model, structure, PruneConfig(channels=0.5, multiple=1)))
    assert read_structure(model).mlps[0].width == width // 2
    torch.testing.assert_close(logits(model), logits(silenced), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        *((family, {}) for family in WITH_HEADS),
        ("phi3", {"head_dim": 32}),
        ("phi3", {"head_dim": 16, **THREE_A_HEAD}),
    ],
)
def test_heads_that_went_were_silenced(family, sizes):
    model, silenced = make(family, **sizes), make(family, **sizes)
    structure = read_structure(model)
    saliency = saliency_of(model, structure)
    for attention in structure.attentions:
        saliency[attention.output].inputs[: attention.width // 2] = 1e6
        weight_of(silenced.get_submodule(attention.output))[:, attention.width // 2 :] = 0.0
    apply_cut(model, structure, saliency, plan_cut(model, structure, PruneConfig(kv_heads=0.5)))
    assert model.config.num_key_value_heads == 1
    again = type(model)(model.config).eval()
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(logits(again), logits(model))
    torch.testing.assert_close(logits(model), logits(silenced), rtol=1e-4, atol=1e-4)


def test_heads_without_a_size_of_their_own_are_refused():
    with pytest.raises(LoBiError, match="gpt2 cannot be cut"):
        cut(make("gpt2"), kv_heads=0.5)


def test_heads_with_norms_over_all_of_them_are_refused_untouched():
    config = transformers.Olmo2Config(**FAMILIES["llama"][1])
    model = transformers.Olmo2ForCausalLM(config).eval()
    before = logits(model)
    with pytest.raises(
        LoBiError, match=r"the size of model\.layers\.0\.self_attn\.q_norm\.weight would change too"
    ):
        cut(model, kv_heads=0.5)
    assert torch.equal(before, logits(model))


def test_heads_of_a_fused_layer_of_another_layout_are_refused():
    model = make("phi3", head_dim=32)
    model.config.head_dim = 16
    with pytest.raises(LoBiError, match=r"qkv_proj are neither query, key and value nor these in one layer"):
        plan_cut(model, read_structure(model), PruneConfig(kv_heads=0.5))


def test_a_share_of_layers_that_cuts_none_is_refused():
    model = make("llama")
    with pytest.raises(LoBiError, match=r"prune\.layers 0\.1 of 3 layers cuts none"):
        plan_cut(model, read_structure(model), PruneConfig(layers=0.1))


def test_heads_that_the_config_does_not_take_are_refused():
    model = make("llama", num_key_value_heads=4)
    with pytest.raises(LoBiError, match="cannot be rebuilt with 128 channels, 3 key-value heads"):
        cut(model, kv_heads=0.25)


def test_a_cut_that_keeps_no_multiple_is_refused():
    model = make("llama")
    before = logits(model)
    with pytest.raises(LoBiError, match=r"0\.9 of 128 channels keeps 0"):
        plan_cut(model, read_structure(model), PruneConfig(channels=0.9))
    assert torch.equal(before, logits(model))
