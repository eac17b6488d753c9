"""Entries of ignore mean what llmcompressor takes them for; what means nothing is an error."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("scipy")
pytest.importorskip("peft")

from small_models import make, random_rows

from hola_plugins.lobi.compression import compress
from hola_plugins.lobi.config import LoBiError, load_config
from hola_plugins.lobi.ignored import check_ignore
from hola_plugins.lobi.quantisation_plan import quantisable_groups
from hola_plugins.lobi.structure import read_structure


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ("lm_head", 12),
        ("re:.*lm_head", 12),
        ("Linear", 0),
        ("RMSNorm", None),
        ("model.layers.0.mlp.down_proj", 12),
        ("re:model.layers.0", 9),
    ],
)
def test_a_name_an_expression_and_a_class(entry, left):
    model = make("llama", tie_word_embeddings=False)
    structure = read_structure(model)
    if left is None:
        entry, left = type(model.model.norm).__name__, len(structure.all_groups)
    check_ignore(model, [entry])
    assert len(quantisable_groups(model, structure, [entry])) == left


def test_a_head_that_shares_the_weight_of_the_embedding_may_be_named():
    check_ignore(make("llama", tie_word_embeddings=True), ["lm_head"])


@pytest.mark.parametrize(
    ("entry", "near"),
    [
        ("lmhead", "'lm_head'"),
        ("down_proj", "'model.layers.0.mlp.down_proj', 're:.*down_proj'"),
        ("model.layers.0.mlp", "'model.layers.0.mlp"),
        ("re:down_proj", "'re:.*down_proj'"),
    ],
)
def test_what_matches_nothing_names_the_nearest_layer(entry, near):
    model = make("llama", tie_word_embeddings=False)
    with pytest.raises(LoBiError, match=f"'{entry}' matches no layer of LlamaForCausalLM") as caught:
        compress(model, random_rows(), load_config({"target_ratio": 0.6, "ignore": [entry]}))
    assert near in str(caught.value)


@pytest.mark.parametrize("budget", [{"target_ratio": 1.0}, {"target_bits": 4.5}])
def test_a_budget_with_nothing_left_to_quantise_is_refused(budget):
    with pytest.raises(LoBiError, match="leaves nothing to quantise"):
        compress(make("llama"), random_rows(), load_config({**budget, "ignore": ["re:.*"]}))


@pytest.mark.parametrize("entry", ["model.layers.0.mlp.down_proj", r"re:model\.layers\.[12]\."])
def test_layers_by_number_are_refused_where_layers_are_dropped(entry):
    settings = {"target_bits": 9.0, "ignore": [entry], "prune": {"layers": 0.5}}
    with pytest.raises(LoBiError, match="means some decoder layers alone"):
        compress(make("llama"), random_rows(), load_config(settings))


def test_an_entry_that_means_the_same_in_every_layer_goes_with_dropped_layers():
    model, prune = make("llama", tie_word_embeddings=False), {"layers": 0.5}
    settings = {
        "target_bits": 9.0,
        "ignore": ["lm_head", "re:.*down_proj"],
        "prune": prune,
        "lora": {"steps": 0},
    }
    outcome = compress(model, random_rows(), load_config({**settings, "choices": ["W8A8", "BF16"]}))
    quantised = outcome.allocation.best.plan.schemes
    assert quantised
    assert not [name for name in quantised if name.endswith(("down_proj", "lm_head"))]
