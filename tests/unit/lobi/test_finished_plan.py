"""A finished plan is used as it is, and refused where another setting or the model contradicts it."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("scipy")
pytest.importorskip("peft")

from small_models import make, random_rows

from hola_plugins.lobi.compression import compress
from hola_plugins.lobi.config import LoBiError, load_config
from hola_plugins.lobi.report import make_report

FUSED = [f"model.layers.0.self_attn.{name}_proj" for name in "qkv"]
DOWN = "model.layers.1.mlp.down_proj"
PLAN = {"W4A16_G32": FUSED, "W8A8": [DOWN]}


def settings(**changes):
    return {"guard": False, "plan": PLAN, **changes}


@pytest.mark.parametrize("budget", [{}, {"target_ratio": 0.95}, {"target_bits": 30.0}])
def test_a_plan_that_goes_with_all_is_used(budget):
    model, config = make("llama"), load_config(settings(**budget))
    outcome = compress(model, random_rows(), config)
    assert outcome.allocation is None
    allowed = make_report(model, config, outcome, config.plan, curve=True)["allowed"]["bytes"]
    assert allowed == (int(0.95 * outcome.original_bytes) if "target_ratio" in budget else None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target_ratio": 0.3}, "more than the budget"),
        ({"target_bits": 4.5}, "more than the budget"),
        ({"target_bytes": 1000}, "more than the budget"),
        ({"ignore": [DOWN]}, f"{DOWN}, which is ignored or no layer to quantise"),
        (
            {"plan": {"W8A8": ["model.layers.7.mlp.down_proj"]}},
            "layers.7.mlp.down_proj, which is ignored or no",
        ),
        ({"plan": {"W8A8": ["model.embed_tokens"]}}, "model.embed_tokens, which is ignored or no"),
        ({"plan": {"W8A8": [DOWN], "W4A16_G32": [DOWN]}}, f"{DOWN} more than once"),
        ({"plan": {"W8A8": [DOWN, DOWN]}}, f"{DOWN} more than once"),
        ({"plan": {"W8A8": FUSED[:1], "W4A16_G32": FUSED[1:]}}, "which engines fuse, in W4A16_G32 and W8A8"),
        ({"plan": {"W8A8": FUSED[:1]}}, "which engines fuse, in BF16 and W8A8"),
        ({"plan": {"W4A16": FUSED}}, "in W4A16, which fits BF16"),
    ],
)
def test_what_contradicts_the_plan_is_refused(changes, words):
    with pytest.raises(LoBiError, match=re.escape(words)):
        compress(make("llama"), random_rows(), load_config(settings(**changes)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target_device": "cpu_avx2"}, "W4A16_G32 does not load in vLLM on cpu_avx2"),
        ({"choices": ["W8A8", "BF16"]}, "W4A16_G32, which is none of the choices W8A8, BF16"),
        ({"plan": {"BF16": [DOWN]}}, "leave out those in BF16"),
        ({"plan": {"W5": [DOWN]}}, "unknown scheme 'W5'"),
    ],
)
def test_schemes_that_other_settings_forbid_are_refused_at_once(changes, words):
    with pytest.raises(LoBiError, match=re.escape(words)):
        load_config(settings(**changes))
