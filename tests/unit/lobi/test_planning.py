"""Scores, the solver under a budget, the guard, and the cache, on the embedded target."""

from __future__ import annotations

import json
import logging
import re

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("scipy")

from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import make, random_rows, target, target_rows

from hola_plugins.lobi import rounding
from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.checkpoint_bytes import Layout, checkpoint_bytes
from hola_plugins.lobi.compression import compress
from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiError, load_config
from hola_plugins.lobi.curve import tradeoff
from hola_plugins.lobi.divergence import measure, record
from hola_plugins.lobi.fake_quantisation import quantised
from hola_plugins.lobi.gptq import GptqRounding
from hola_plugins.lobi.guard import choose
from hola_plugins.lobi.plan import Plan, hand_made_plans
from hola_plugins.lobi.quantisation_plan import Allocation, allowed_schemes, make_budget, quantisable_groups
from hola_plugins.lobi.quantise import NearestRounding
from hola_plugins.lobi.scheme import parse_scheme
from hola_plugins.lobi.score_cache import cached_scores
from hola_plugins.lobi.sensitivity import fisher_scores, kl_scores
from hola_plugins.lobi.structure import read_structure

NAMES = ["W4A16", "W4A16_G32", "W8A8", "BF16"]


nearest = NearestRounding(torch.float32)


@pytest.fixture(scope="module")
def setting():
    model = target()
    text, structure = read_calibration(target_rows(), 8, 0.25), read_structure(model)
    return model, text, structure, record(model, text.held_out)


def test_one_backward_pass_ranks_as_measured_divergence_does(setting):
    model, text, structure, _ = setting
    allowed = {group.name: ["W4A16"] for group in structure.groups}
    fisher = fisher_scores(model, text.fitting, structure.groups, allowed, nearest, structure.layers, 0)
    measured = kl_scores(model, text.fitting, structure.groups, allowed, nearest)
    pairs = torch.tensor([[fisher[name]["W4A16"], measured[name]["W4A16"]] for name in fisher])
    assert float(torch.corrcoef(pairs.T.argsort().argsort().float())[0, 1]) > 0.8
    assert 0.3 < float(pairs[:, 0].sum() / pairs[:, 1].sum()) < 3.0


def test_gptq_rounding_keeps_outputs_better_than_rounding_to_nearest(setting):
    model, text, structure, original = setting
    schemes = dict.fromkeys(structure.linear_names, parse_scheme("W4A16"))
    found = {}
    for name, quantise in (
        (
            "gptq",
            GptqRounding(model, text.fitting, structure.linear_names, [parse_scheme(name) for name in NAMES]),
        ),
        ("rtn", nearest),
    ):
        with quantised(model, schemes, quantise):
            found[name] = measure(model, text.held_out, original).kl
    assert found["gptq"] < found["rtn"]
    assert measure(model, text.held_out, original).kl < 1e-6


@pytest.mark.parametrize(
    "budget", [{"target_bytes": 2_200_000}, {"target_ratio": 0.35}, {"target_bits": 5.0}]
)
def test_the_plan_keeps_the_budget_and_fused_layers_together(setting, budget):
    model, _, structure, _ = setting
    config = load_config({**budget, "choices": NAMES, "guard": False, "quantizer": "rtn"})
    outcome = compress(model, target_rows(), config)
    plan = outcome.allocation.best.plan
    by_layer = plan.by_layer(structure.groups)
    size = checkpoint_bytes(model, by_layer)
    assert size == outcome.allocation.best.size
    assert size <= budget.get("target_bytes", outcome.original_bytes)
    assert size <= budget.get("target_ratio", 1) * outcome.original_bytes
    assert outcome.allocation.budget.bits(plan) <= budget.get("target_bits", 32)
    for group in structure.groups:
        assert len({by_layer[member] for member in group.members}) == 1


FUSED_IN_VLLM = [{"q_proj", "k_proj", "v_proj"}, {"gate_proj", "up_proj"}]
MODELS = {family: make(family) for family in ("llama", "qwen2", "gemma2", "phi")}


@settings(max_examples=40, deadline=None)
@given(family=st.sampled_from(sorted(MODELS)), share=st.floats(0, 1), seed=st.integers(0, 2**20))
def test_whatever_the_scores_a_plan_fits_and_engines_can_fuse_it(family, share, seed):
    model, generator = MODELS[family], torch.Generator().manual_seed(seed)
    structure, size = read_structure(model), checkpoint_bytes(model, {})
    budget = make_budget(load_config({"target_bits": 32.0}), model, structure, size)
    least = budget.size(budget.smallest())
    ceiling = round(least + share * (size - least))
    budget = make_budget(load_config({"target_bytes": ceiling}), model, structure, size)
    scores = {
        group: {name: float(torch.rand((), generator=generator)) for name in names}
        for group, names in budget.allowed.items()
    }
    plan = budget.solve(scores)
    by_layer = plan.by_layer(budget.groups)
    assert checkpoint_bytes(model, by_layer) == budget.size(plan) <= ceiling
    for name in by_layer:
        parent, _, leaf = name.rpartition(".")
        for fused in FUSED_IN_VLLM:
            if leaf in fused:
                assert (
                    len({by_layer[f"{parent}.{other}"] for other in fused if f"{parent}.{other}" in by_layer})
                    == 1
                )


def test_the_smallest_feasible_budget_that_is_named_is_feasible(setting):
    model, _, structure, _ = setting
    with pytest.raises(InfeasibleBudgetError, match="target_bytes: ") as caught:
        compress(model, target_rows(), load_config({"target_bytes": 1000}))
    least = int(re.search(r"target_bytes: (\d+)", str(caught.value)).group(1))
    assert f"{2048 * 128 * 4} of them for the embedding and the head, one weight" in str(caught.value)
    make_budget(load_config({"target_bytes": least}), model, structure, 0)
    with pytest.raises(InfeasibleBudgetError):
        make_budget(load_config({"target_bytes": least - 1}), model, structure, 0)


CUT = "or let the model be cut as well (prune: auto)"


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize(
    ("budget", "offered"),
    [
        ({"target_bytes": 1000}, True),
        ({"target_ratio": 1e-9}, True),
        ({"target_ratio": 0.01, "prune": {"layers": 0.34}}, True),
        ({"target_bytes": 1000, "prune": "auto"}, False),
        ({"target_bits": 1.0}, False),
        ({"target_bits": 1.0, "prune": "auto"}, False),
    ],
)
def test_a_cut_is_offered_where_it_helps_and_was_not_made(family, budget, offered):
    with pytest.raises(InfeasibleBudgetError) as caught:
        compress(make(family), random_rows(), load_config(budget))
    assert (CUT in str(caught.value)) == offered
    assert "raise " in str(caught.value)


class Fetched(dict):
    """A module's weights, of which it is counted how often they are fetched."""

    count = 0

    def __getitem__(self, name):
        Fetched.count += 1
        return super().__getitem__(name)


def test_weights_that_lie_elsewhere_are_not_fetched_for_every_plan():
    model = make("llama")
    structure, config = read_structure(model), load_config({"target_ratio": 0.5, "choices": NAMES})
    for module in model.modules():
        module._parameters = Fetched(module._parameters)
    budget = make_budget(config, model, structure, checkpoint_bytes(model, {}))
    scores = {group: dict.fromkeys(names, 1.0) for group, names in budget.allowed.items()}
    Fetched.count = 0
    plans = [plan for plans in hand_made_plans(budget.groups, budget.allowed, NAMES) for plan in plans]
    assert len({(budget.size(plan), budget.bits(plan)) for plan in [*plans, budget.solve(scores)]}) > 4
    assert len(tradeoff(Allocation(budget, scores, [], "nearest", {}))) == 1
    assert Fetched.count == 0


def test_a_choice_without_a_score_is_not_taken_as_free():
    model = make("llama")
    budget = make_budget(load_config({"target_ratio": 0.9}), model, read_structure(model), 10**6)
    with pytest.raises(KeyError):
        budget.solve({group: {} for group in budget.allowed})


def test_the_guard_returns_a_uniform_plan_where_that_is_best(setting):
    model, text, structure, original = setting
    solver = Plan("solver", {group.name: "W4A16" for group in structure.groups})
    uniform = Plan("uniform W8A8", {group.name: "W8A8" for group in structure.groups})
    found = choose(model, [(solver, 1), (uniform, 2)], structure.groups, text.held_out, original, nearest)
    assert [one.plan for one in found] == [uniform, solver]


def test_the_chosen_plan_is_no_worse_than_any_it_was_compared_with():
    config = load_config({"target_ratio": 0.6, "choices": NAMES, "quantizer": "rtn"})
    allocation = compress(target(), target_rows(), config).allocation
    origins = [one.plan.origin for one in allocation.measured]
    assert {"solver", "uniform W4A16"} <= set(origins)
    assert allocation.best.quality.kl == min(one.quality.kl for one in allocation.measured)


def test_layers_that_are_ignored_or_of_another_layout_are_left_as_they_are():
    model = make("llama")
    structure = read_structure(model)
    groups = quantisable_groups(
        model, structure, ["lm_head", "re:.*mlp.*", structure.attentions[0].inputs[1]]
    )
    assert {group.role for group in groups} == {"attention_in", "attention_out"}
    assert len(groups) == 5
    gpt2 = make("gpt2")
    groups = read_structure(gpt2).groups
    assert set(map(tuple, allowed_schemes(gpt2, Layout(gpt2), groups, NAMES, "cpu").values())) == {("BF16",)}


@pytest.mark.parametrize(
    ("family", "left"),
    [
        ("Bloom", {"head", "attention_in"}),
        ("GPTJ", {"attention_in"}),
        ("OPT", {"head"}),
        ("StableLm", {"head", "attention_in", "mlp_in"}),
    ],
)
def test_layers_that_vllm_loads_unquantised_only_are_left_as_they_are(family, left):
    sizes = {"vocab_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
    sizes["num_key_value_heads"] = 4
    widths = {"intermediate_size": 128, "ffn_dim": 128, "word_embed_proj_dim": 64, "rotary_dim": 8}
    ends = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = getattr(transformers, f"{family}Config")(**sizes, **widths, **ends, tie_word_embeddings=False)
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    groups = read_structure(model).all_groups
    allowed = allowed_schemes(model, Layout(model), groups, NAMES, "cpu")
    assert {group.role for group in groups if allowed[group.name] == ["BF16"]} == left


def test_a_head_of_its_own_weight_makes_a_smaller_budget_feasible():
    settings = {"choices": NAMES, "quantizer": "rtn", "guard": True}
    model = make("llama")
    config = load_config({**settings, "target_bits": 32.0, "ignore": ["lm_head"]})
    budget = make_budget(config, model, read_structure(model), 0)
    least = budget.size(budget.smallest())
    config = load_config({**settings, "target_bytes": least - 1})
    outcome = compress(model, random_rows(), config)
    assert outcome.allocation.best.plan.schemes["lm_head"] != "BF16"
    assert outcome.allocation.best.size < least


def test_rules_leave_the_head_as_it_is():
    model = make("llama")
    groups = read_structure(model).all_groups
    allowed = allowed_schemes(model, Layout(model), groups, NAMES, "cpu")
    plans = [plan for family in hand_made_plans(groups, allowed, NAMES) for plan in family]
    assert {plan.schemes["lm_head"] for plan in plans} == {"BF16"}
    assert {len(plan.schemes) for plan in plans} == {len(groups)}


@pytest.mark.parametrize(
    ("rule", "favoured"),
    [
        ("first layers", [{0}, {0, 1}]),
        ("last layers", [{2}, {2, 1}]),
        ("outer layers", [{0}, {0, 2}]),
        *((role, [{role}]) for role in ("attention_in", "attention_out", "mlp_in", "mlp_out")),
    ],
)
def test_a_rule_gives_more_bits_to_its_layers_or_its_role_alone(rule, favoured):
    groups, names = read_structure(make("llama")).groups, ["W4A16", "W8A8"]
    families = hand_made_plans(groups, {group.name: names for group in groups}, names)
    (plans,) = (plans for plans in families if plans[0].origin == f"{rule} W8A8, rest W4A16")
    for plan, ones in zip(plans, favoured, strict=True):
        assert plan.schemes == {
            group.name: "W8A8" if {group.layer, group.role} & ones else "W4A16" for group in groups
        }


def test_pruning_alone_plans_no_bits():
    outcome = compress(
        make("llama"), random_rows(), load_config({"prune": {"layers": 0.34}, "lora": {"steps": 0}})
    )
    assert outcome.allocation is None
    assert outcome.structure.depth == 2


def test_an_automatic_cut_makes_a_small_budget_feasible():
    pytest.importorskip("peft")
    model = target()
    budget = make_budget(load_config({"target_bits": 32.0}), model, read_structure(model), 0)
    least = budget.size(budget.smallest())
    config = load_config(
        {"target_bytes": least - 50_000, "prune": "auto", "lora": {"steps": 2}, "quantizer": "rtn"}
    )
    outcome = compress(model, target_rows(), config)
    assert outcome.cut.channels == model.config.intermediate_size == 256
    by_layer = outcome.allocation.best.plan.by_layer(outcome.structure.groups)
    assert checkpoint_bytes(model, by_layer) <= least - 50_000


def test_weights_that_are_no_numbers_are_refused():
    model = make("llama")
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = float("nan")
    with pytest.raises(LoBiError, match=r"layers\.1\.mlp\.up_proj\.weight holds NaN"):
        compress(model, random_rows(), load_config({"target_bits": 8.0}))


def test_a_model_that_is_quantised_is_refused():
    model = make("llama")
    model.config.quantization_config = {"quant_method": "compressed-tensors"}
    with pytest.raises(LoBiError, match=r"LlamaForCausalLM is quantised, .* give the model as it was before"):
        compress(model, random_rows(), load_config({"target_bits": 8.0}))


def test_a_mixture_of_experts_is_named_as_such():
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = transformers.MixtralConfig(vocab_size=128, intermediate_size=32, num_local_experts=2, **sizes)
    with pytest.raises(LoBiError, match=r"is a mixture of experts \(num_experts is 2\)"):
        compress(transformers.MixtralForCausalLM(config), random_rows(), load_config({"target_ratio": 0.5}))


def test_scores_are_computed_once(tmp_path):
    allowed = {"q": ["W8A8"]}
    first = cached_scores(str(tmp_path), "key", allowed, lambda: {"q": {"W8A8": 0.5}})
    assert cached_scores(str(tmp_path), "key", allowed, lambda: pytest.fail("scored again")) == first
    assert cached_scores(str(tmp_path), "other", {}, dict) == {}


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "{}", '{"q": {"b": 1}}', '{"q": {"a": "x"}}', json.dumps({"q": {"a": float("nan")}})],
)
def test_damaged_scores_are_computed_again(tmp_path, content, caplog):
    (tmp_path / "key.json").write_text(content)
    with caplog.at_level(logging.WARNING):
        found = cached_scores(str(tmp_path), "key", {"q": ["a"]}, lambda: {"q": {"a": 1.0}})
    assert found == {"q": {"a": 1.0}}
    assert json.loads((tmp_path / "key.json").read_text()) == {"q": {"a": 1.0}}


def test_scores_larger_than_any_are_computed_again(tmp_path, caplog):
    with (tmp_path / "key.json").open("wb") as sparse:
        sparse.truncate(1 << 40)
    assert cached_scores(str(tmp_path), "key", {"q": ["a"]}, lambda: {"q": {"a": 1.0}}) == {"q": {"a": 1.0}}
    assert "key.json has more than 256 MiB" in caplog.text
    assert json.loads((tmp_path / "key.json").read_text()) == {"q": {"a": 1.0}}


@pytest.mark.parametrize(
    ("most", "words"),
    [(1_000_000, "the model is too large for any choices"), (9_500_000, "give at most 3 choices")],
)
def test_plans_that_cannot_be_rounded_as_gptq_does_are_marked_and_warned_of(monkeypatch, caplog, most, words):
    config = load_config({"guard": False, "choices": NAMES, "target_ratio": 0.5})
    assert compress(target(), target_rows(), config).allocation.rounding == "gptq"
    assert "rounded to nearest" not in caplog.text
    monkeypatch.setattr(rounding, "_MOST_BYTES", most)
    assert compress(target(), target_rows(), config).allocation.rounding == "nearest"
    (warning,) = (one for one in caplog.records if one.name == rounding.__name__)
    assert "weights rounded to nearest, though GPTQ makes the checkpoint" in warning.message
    assert warning.message.endswith(f"and at most {most:,} are held; {words}")


def test_a_model_of_which_some_is_offloaded_is_rounded_to_nearest_with_a_warning(monkeypatch, caplog):
    monkeypatch.setattr(rounding, "is_offloaded", lambda module: isinstance(module, torch.nn.Linear))
    model = make("llama")
    assert rounding.choose_rounding(load_config({}), model, []) == "nearest"
    assert caplog.messages[-1].endswith("give it more memory (hola compress: a larger --memory)")
    caplog.clear()
    assert rounding.choose_rounding(load_config({"quantizer": "rtn"}), model, []) == "nearest"
    assert not caplog.messages


def test_scores_of_one_rounding_are_not_read_for_another(tmp_path, monkeypatch):
    settings = {"cache": str(tmp_path), "guard": False, "choices": NAMES, "target_ratio": 0.5}
    monkeypatch.setattr(rounding, "_MOST_BYTES", 0)
    nearest_scores = compress(target(), target_rows(), load_config(settings)).allocation.scores
    monkeypatch.undo()
    gptq_scores = compress(target(), target_rows(), load_config(settings)).allocation.scores
    assert gptq_scores != nearest_scores
    again = compress(target(), target_rows(), load_config(settings | {"quantizer": "rtn"})).allocation
    assert again.scores == nearest_scores
    assert len(list(tmp_path.iterdir())) == 2


def test_another_budget_is_solved_from_kept_scores(tmp_path):
    settings = {"cache": str(tmp_path), "guard": False, "quantizer": "rtn", "choices": NAMES}
    compress(target(), target_rows(), load_config({**settings, "target_ratio": 0.5}))
    (kept,) = tmp_path.iterdir()
    before = kept.stat().st_mtime_ns
    outcome = compress(target(), target_rows(), load_config({**settings, "target_ratio": 0.4}))
    assert [file.stat().st_mtime_ns for file in tmp_path.iterdir()] == [before]
    assert outcome.allocation.best.size <= 0.4 * outcome.original_bytes
