"""Lo-Bi through the real llmcompressor, loaded again by transformers and by the real vLLM.

Runs in the compress environment. vLLM needs another one: its Python is taken from HOLA_SERVE_PYTHON, or from
`.venv/serve`; without it those tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("llmcompressor")

import yaml
from compress_once import TARGET, compress, rows, token_ids
from llmcompressor import oneshot
from llmcompressor.core import reset_session
from llmcompressor.modifiers import Modifier
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform import QuIPModifier, SpinQuantModifier
from safetensors import safe_open
from torch.utils.data import DataLoader

from hola_plugins.cpu import cpu_flags
from hola_plugins.llmcompressor import LoBiModifier
from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiError
from hola_plugins.lobi.stock_recipe import stock_recipe

ROOT = Path(__file__).parents[2]
SERVE = Path(os.environ.get("HOLA_SERVE_PYTHON", ROOT / ".venv" / "serve" / "bin" / "python"))
AMX = "amx_tile" in cpu_flags()
HELD_OUT = token_ids(12 * 64, 200)
SHAPE = {
    "vocab_size": 2048,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
SHAPES: dict[str, dict[str, Any]] = {
    "Qwen2": {},
    "Phi": {"num_key_value_heads": 4},
    "Phi3": {},
    "Gemma2": {"head_dim": 32, "sliding_window": 64},
    "Gemma3": {"head_dim": 32, "sliding_window": 64},
}
KV_CACHE = {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False, "symmetric": True}
PLAN = {"W8A8": ["model.layers.1.mlp.down_proj"]}
INT8 = {"target_device": "cpu_avx2"}
QUICK = {"steps": 4, "check_every": 2}
BRIEF = {"steps": 4, "check_every": 2, "learning_rate": 5e-4}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("target", {"target_ratio": 0.45}),
    "llama_cut": ("target", {"target_ratio": 0.4, "prune": 0.33, "lora": QUICK}),
    "llama_auto": ("target", {"target_ratio": 0.37, "prune": "auto", "lora": QUICK}),
    "llama_awq": ("target", {"target_ratio": 0.45, "quantizer": "awq"}),
    "llama_kl": ("target", {"target_ratio": 0.45, "sensitivity": "kl"}),
    "llama_rtn": ("target", {"target_bits": 6.0, "quantizer": "rtn", "guard": False}),
    "qwen3": ("Qwen3", {"target_bits": 5.0}),
    "llama_int8": ("target", {"target_ratio": 0.7, **INT8}),
    "llama_head": ("Llama", {"target_bits": 9.0, **INT8}),
    "qwen2": ("Qwen2", {"target_bits": 11.0, **INT8}),
    "phi": ("Phi", {"target_bits": 9.0, **INT8}),
    "phi3": ("Phi3", {"target_bits": 11.0, **INT8}),
    "gemma": ("Gemma", {"target_bits": 11.0, **INT8}),
    "gemma2": ("Gemma2", {"target_bits": 11.0, **INT8}),
    "gemma3": (
        "Gemma3",
        {"target_bits": 12.0, "prune": {"kv_heads": 0.5, "layers": 0.5}, "lora": {"steps": 0}, **INT8},
    ),
    "mistral": ("Mistral", {"target_bits": 12.0, "prune": {"layers": 0.5}, "lora": {"steps": 0}, **INT8}),
    "gpt2_cut": ("GPT2", {"prune": 0.25, "lora": QUICK}),
}


def make(name: str) -> Path | Any:
    """Gives the embedded target's folder, or a small model with random weights."""
    if name == "target":
        return TARGET
    torch.manual_seed(0)
    if name == "GPT2":
        config = transformers.GPT2Config(
            vocab_size=2048, n_embd=128, n_layer=2, n_head=4, n_positions=256, bos_token_id=0, eos_token_id=0
        )
        return transformers.GPT2LMHeadModel(config)
    sizes: dict[str, Any] = SHAPE | SHAPES.get(name, {"head_dim": 32})
    config = getattr(transformers, "Gemma3TextConfig" if name == "Gemma3" else f"{name}Config")(**sizes)
    return getattr(transformers, f"{name}ForCausalLM")(config)


class Compressed(dict[str, Path]):
    """The folders of cases, compressed when they are first asked for."""

    def __init__(self, make_folder: Callable[[str], Path]) -> None:
        super().__init__()
        self._make_folder = make_folder

    def __missing__(self, case: str) -> Path:
        name, settings = CASES[case]
        source, out = make(name), self._make_folder(case)
        if not isinstance(source, Path):
            source.to(torch.bfloat16).save_pretrained(out / "source")
            source = out / "source"
        modifier = LoBiModifier(**settings, tune=BRIEF, report=str(out / "report.json"))
        compress(source, modifier, out / "out")
        self[case] = out
        return out


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of all cases."""
    return Compressed(tmp_path_factory.mktemp)


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_as_large_as_predicted_and_within_the_budget(
    compressed: dict[str, Path], case: str
) -> None:
    report = json.loads((compressed[case] / "report.json").read_text())
    size = (compressed[case] / "out" / "model.safetensors").stat().st_size
    assert size == report["predicted"]["bytes"]
    settings = CASES[case][1]
    assert size <= settings.get("target_ratio", 1.0) * report["original"]["bytes"]
    assert report["predicted"].get("bits", 0.0) <= settings.get("target_bits", 32.0)


@pytest.mark.parametrize("case", CASES)
def test_the_saved_config_has_the_cut_sizes(compressed: dict[str, Path], case: str) -> None:
    report = json.loads((compressed[case] / "report.json").read_text())
    config = json.loads((compressed[case] / "out" / "config.json").read_text())
    cut = report["cut"]
    if cut is None:
        assert "prune" not in CASES[case][1]
        return
    assert config.get("intermediate_size", config.get("n_inner")) == cut["channels"]
    assert config.get("num_hidden_layers", config.get("n_layer")) == cut["layers"]
    assert cut["kv_heads"] in {None, config.get("num_key_value_heads")}


@pytest.mark.parametrize("case", CASES)
def test_the_report_tells_what_was_done(compressed: dict[str, Path], case: str) -> None:
    report = json.loads((compressed[case] / "report.json").read_text())
    with safe_open(compressed[case] / "out" / "model.safetensors", "pt") as file:
        stored = set(file.keys())
    for row in report["layers"]:
        packed = row["scheme"].startswith("W4")
        head = row["group"].split("+")[0]
        assert (f"{head}.weight_packed" in stored) == packed
    assert report["measured"]["kl"] < 0.2
    assert report["measured"]["seen"] == (case not in {"llama_rtn", "gpt2_cut"})
    if "predicted" in report and "kl" in report["predicted"]:
        assert report["measured"]["kl"] == pytest.approx(report["predicted"]["kl"], rel=0.6, abs=5e-4)


def test_the_kl_of_each_group_and_scheme_scores_plans_where_the_recipe_asks_for_it(
    compressed: dict[str, Path],
) -> None:
    reports = [json.loads((compressed[case] / "report.json").read_text()) for case in ("llama", "llama_kl")]
    assert reports[0]["predicted"]["score"] != reports[1]["predicted"]["score"]
    assert reports[1]["predicted"]["score"] == pytest.approx(reports[1]["predicted"]["kl"], rel=0.6)


def test_auto_cuts_for_a_budget_under_the_smallest_plan_of_bits(
    compressed: dict[str, Path], tmp_path: Path
) -> None:
    settings = CASES["llama_auto"][1]
    with pytest.raises(InfeasibleBudgetError, match="or let the model be cut as well"):
        compress(TARGET, LoBiModifier(target_ratio=settings["target_ratio"]), tmp_path / "out")
    model = transformers.AutoModelForCausalLM.from_pretrained(compressed["llama_auto"] / "out")
    assert model.config.intermediate_size == 256
    assert model.model.layers[0].mlp.down_proj.in_features == 256


@pytest.mark.parametrize("case", ["llama_auto", "llama_awq", "llama_kl"])
def test_transformers_loads_what_stays_close_to_the_original(compressed: dict[str, Path], case: str) -> None:
    ids = torch.tensor(HELD_OUT)[None]
    with torch.no_grad():
        original, ours = (
            transformers.AutoModelForCausalLM.from_pretrained(folder)(ids).logits.float().log_softmax(-1)
            for folder in (TARGET, compressed[case] / "out")
        )
    kl = (original.exp() * (original - ours)).sum(-1).mean()
    assert 0 < kl < 0.2


def test_a_head_of_its_own_weight_is_quantised_where_the_budget_asks_for_it(
    compressed: dict[str, Path],
) -> None:
    for case in ("llama_head", "phi"):
        with safe_open(compressed[case] / "out" / "model.safetensors", "pt") as file:
            assert file.get_tensor("lm_head.weight").dtype == torch.int8


@pytest.mark.parametrize("case", CASES)
def test_layers_that_vllm_fuses_share_a_scheme_in_the_file(compressed: dict[str, Path], case: str) -> None:
    with safe_open(compressed[case] / "out" / "model.safetensors", "pt") as file:
        stored = set(file.keys())
    parts = {
        name: {key.removeprefix(name) for key in stored if key.startswith(f"{name}.") and ".bias" not in key}
        for name in {key.rpartition(".")[0] for key in stored}
    }
    fused = [("q_proj", "k_proj"), ("k_proj", "v_proj"), ("gate_proj", "up_proj")]
    pairs = [
        (parts[name], parts[name.replace(first, second)])
        for name in parts
        for first, second in fused
        if name.endswith(first)
    ]
    assert all(first == second for first, second in pairs)
    assert pairs or case in {"gpt2_cut", "phi3"}


def runs_here(folder: Path) -> bool:
    """Tells whether vLLM's kernels on this CPU run a checkpoint: those for packed weights need AVX-512."""
    with safe_open(folder / "out" / "model.safetensors", "pt") as file:
        packed = any(name.endswith("weight_packed") for name in file.keys())  # noqa: SIM118
    return not packed or "avx512f" in cpu_flags()


@pytest.fixture(scope="module")
def served(compressed: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, float | str]:
    """What vLLM makes of held-out text, by case: a loss, or an error."""
    if not SERVE.is_file():
        pytest.skip(f"no vLLM environment at {SERVE}: make serve-env, or set HOLA_SERVE_PYTHON")
    job = tmp_path_factory.mktemp("job") / "job.json"
    folders = {case: str(compressed[case] / "out") for case in CASES if runs_here(compressed[case])}
    job.write_text(json.dumps({"folders": list(folders.values()), "ids": HELD_OUT}))
    preload = subprocess.run(
        [SERVE, "-m", "hola_plugins.cli", "preload"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    done = subprocess.run(
        [SERVE, str(Path(__file__).parent / "serve_logprobs.py"), str(job)],
        capture_output=True,
        text=True,
        check=False,
        cwd=job.parent,
        env=os.environ | {"LD_PRELOAD": preload.stdout.strip()},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    losses = json.loads(done.stdout.splitlines()[-1])
    return {case: losses[folder] for case, folder in folders.items()}


@pytest.mark.parametrize("case", CASES)
def test_vllm_and_transformers_agree(
    compressed: dict[str, Path], served: dict[str, float | str], case: str
) -> None:
    if case not in served:
        pytest.skip("vLLM's kernel for packed weights needs AVX-512, which this CPU lacks")
    if case == "phi" and AMX and "must be a 2D tensor" in str(served[case]):
        pytest.xfail("vLLM's 8-bit kernel for AMX does not take a model that runs through Transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(compressed[case] / "out").eval()
    ids = torch.tensor(HELD_OUT)[None]
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=ids).loss)
    assert served[case] == pytest.approx(loss, abs=0.02)


@pytest.mark.parametrize("case", ["llama", "llama_cut"])
def test_the_saved_recipe_makes_the_same_checkpoint_in_a_fresh_process(
    compressed: dict[str, Path], case: str, tmp_path: Path
) -> None:
    recipe = compressed[case] / "out" / "recipe.yaml"
    again = yaml.safe_load(recipe.read_text())
    entry = again["default_stage"]["default_modifiers"]["LoBiModifier"]
    assert entry["plan"]
    entry["report"] = str(tmp_path / "report.json")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(again))
    script = [sys.executable, str(Path(__file__).parent / "compress_once.py")]
    command = [*script, str(TARGET), str(tmp_path / "recipe.yaml"), str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=environment)
    name = "model.safetensors"
    assert (tmp_path / "out" / name).read_bytes() == (compressed[case] / "out" / name).read_bytes()


def test_a_budget_that_is_too_small_is_refused_before_any_change(tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(TARGET)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InfeasibleBudgetError, match="the smallest that is feasible is target_bytes: "):
        compress(model, LoBiModifier(target_bytes=10_000, prune=0.33), tmp_path / "out")
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not (tmp_path / "out").exists()


def test_data_without_a_sequence_to_measure_on_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoBiError, match="1 sequences of two tokens or more"):
        compress(TARGET, LoBiModifier(target_ratio=0.5), tmp_path / "out", rows(1))


@pytest.mark.parametrize("lobi_first", [True, False])
def test_a_second_quantiser_of_the_recipe_is_refused(tmp_path: Path, lobi_first: bool) -> None:
    lobi = LoBiModifier(plan=PLAN, quantizer="rtn")
    stock = QuantizationModifier(scheme="W8A16", targets=["Linear"], ignore=["lm_head"])
    words = r"another modifier of the recipe quantises model\.layers\..* too: leave it out"
    with pytest.raises(LoBiError, match=words):
        compress(TARGET, [lobi, stock] if lobi_first else [stock, lobi], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("quantizer", ["rtn", "gptq"])
def test_a_modifier_for_the_kv_cache_that_would_undo_the_plan_is_refused(
    tmp_path: Path, quantizer: str
) -> None:
    recipe = [LoBiModifier(plan=PLAN, quantizer=quantizer), QuantizationModifier(kv_cache_scheme=KV_CACHE)]
    with pytest.raises(LoBiError, match=r"takes model\.layers\.1\.mlp\.down_proj out .* put it before LoBiM"):
        compress(TARGET, recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_quantised_before_is_called_so(tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(TARGET)
    stock = QuantizationModifier(scheme="W8A16", targets=["Linear"], ignore=["lm_head"])
    compress(model, stock, tmp_path / "first")
    with pytest.raises(LoBiError, match=r"q_proj is quantised already .*: load the model as it was before"):
        compress(model, LoBiModifier(plan=PLAN), tmp_path / "out")


class Spoiling(Modifier):
    """Leaves a layer without numbers."""

    def on_initialize(self, state: Any, **kwargs: Any) -> bool:
        """Has nothing to do yet."""
        return True

    def on_calibration_end(self, state: Any, event: Any, **kwargs: Any) -> None:
        """Spoils its weight."""
        state.model.get_submodule(PLAN["W8A8"][0]).weight.data.fill_(torch.nan)


def rotations() -> list[Any]:
    """Gives modifiers of which one parts the head from the embedding, and the other adds transforms."""
    hadamard = {"transform_type": "hadamard", "transform_block_size": 32}
    return [SpinQuantModifier(rotations=["R1", "R2"], **hadamard), QuIPModifier(rotations=["v"], **hadamard)]


@pytest.mark.parametrize("beside", [0, 1])
def test_what_another_modifier_adds_counts(tmp_path: Path, beside: int) -> None:
    file = tmp_path / "report.json"
    lobi = LoBiModifier(plan=PLAN, quantizer="rtn", report=str(file))
    compress(TARGET, [rotations()[beside], lobi], tmp_path / "out")
    report, size = json.loads(file.read_text()), (tmp_path / "out" / "model.safetensors").stat().st_size
    assert report["predicted"]["bytes"] == size
    assert report["other_modifiers"] == [("SpinQuantModifier", "QuIPModifier")[beside]]
    lobi = LoBiModifier(plan=PLAN, quantizer="rtn", target_bytes=size - 1)
    words = (
        f"has {size} bytes where the budget allows {size - 1} and .*Modifier of the recipe may have parted"
    )
    with pytest.raises(LoBiError, match=words):
        compress(TARGET, [rotations()[beside], lobi], tmp_path / "again")
    assert not (tmp_path / "again").exists()
    compress(TARGET, [rotations()[beside], LoBiModifier(quantizer="rtn", target_bits=8.5)], tmp_path / "bits")
    assert (tmp_path / "bits" / "model.safetensors").exists()


def test_awq_takes_a_plan_that_leaves_the_layers_behind_a_quantised_one(tmp_path: Path) -> None:
    plan = {"W8A8": ["model.layers.1.mlp.gate_proj", "model.layers.1.mlp.up_proj"]}
    compress(TARGET, LoBiModifier(plan=plan, quantizer="awq"), tmp_path / "out")
    assert plan["W8A8"][0] in str(json.loads((tmp_path / "out" / "config.json").read_text()))


def test_a_head_that_equals_the_embedding_counts_once(tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(TARGET, tie_word_embeddings=False)
    model.lm_head.weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach().clone())
    file = tmp_path / "report.json"
    compress(model, LoBiModifier(target_ratio=0.7, quantizer="rtn", report=str(file)), tmp_path / "out")
    report = json.loads(file.read_text())
    assert report["predicted"]["bytes"] == (tmp_path / "out" / "model.safetensors").stat().st_size
    assert report["predicted"]["bytes"] in [plan["bytes"] for plan in report["plans"]]


def test_a_modifier_for_the_kv_cache_before_lobi_is_kept_and_counts(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    recipe = [
        QuantizationModifier(kv_cache_scheme=KV_CACHE),
        LoBiModifier(plan=PLAN, quantizer="rtn", tune={"steps": 0}, report=str(file)),
    ]
    compress(TARGET, recipe, tmp_path / "out")
    size = (tmp_path / "out" / "model.safetensors").stat().st_size
    assert json.loads(file.read_text())["predicted"]["bytes"] == size
    quantised = json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]
    assert quantised["kv_cache_scheme"]["type"] == "float"
    (tmp_path / "stock.yaml").write_text(stock_recipe(tmp_path / "out").text)
    compress(TARGET, str(tmp_path / "stock.yaml"), tmp_path / "again")
    first, second = (tmp_path / name / "model.safetensors" for name in ("out", "again"))
    assert first.read_bytes() == second.read_bytes()


def test_a_quantiser_behind_a_cut_is_named_and_has_seen_the_text(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    lobi = LoBiModifier(prune=0.33, lora={"steps": 0}, report=str(file))
    stock = GPTQModifier(scheme="W4A16", targets=["Linear"], ignore=["lm_head"])
    compress(TARGET, [lobi, stock], tmp_path / "out")
    report = json.loads(file.read_text())
    assert report["other_modifiers"] == ["GPTQModifier"]
    assert report["measured"]["seen"]


@pytest.mark.parametrize("quantizer", ["gptq", "awq"])
def test_a_quantiser_that_saw_no_data_makes_no_checkpoint(tmp_path: Path, quantizer: str) -> None:
    lobi = LoBiModifier(plan=PLAN, quantizer=quantizer, report=str(tmp_path / "report.json"))
    with pytest.raises(
        LoBiError, match=f"{quantizer} has seen no calibration data: oneshot's pipeline must be"
    ):
        compress(TARGET, lobi, tmp_path / "out", pipeline="datafree")
    reset_session()
    assert not [*tmp_path.iterdir()]


def test_a_model_whose_logits_are_no_numbers_is_not_kept(tmp_path: Path) -> None:
    lobi = LoBiModifier(plan=PLAN, quantizer="rtn")
    with pytest.raises(LoBiError, match="the logits of LlamaForCausalLM are no numbers after the run"):
        compress(TARGET, [Spoiling(), lobi], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("target_byte: 1000000", "'target_byte'; did you mean 'target_bytes'"),
        ("target_bits: 4.5, lora: {rnk: 8}", "'lora.rnk'; did you mean 'rank'"),
    ],
)
def test_a_recipe_with_a_misspelt_key_names_its_neighbour(tmp_path: Path, keys: str, words: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"lobi_stage: {{lobi_modifiers: {{LoBiModifier: {{{keys}}}}}}}")
    with pytest.raises(ValueError, match=words):
        compress(TARGET, str(recipe), tmp_path / "out")


def test_a_folder_without_a_tokenizer_is_refused_before_any_work(tmp_path: Path) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(TARGET)
    model.save_pretrained(tmp_path / "source")
    with pytest.raises(RuntimeError, match="model processor"):
        oneshot(
            model=str(tmp_path / "source"),
            recipe=LoBiModifier(target_ratio=0.5),
            dataset=DataLoader(rows()),
            output_dir=str(tmp_path / "out"),
        )
    assert not (tmp_path / "out").exists()
