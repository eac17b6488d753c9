"""Lo-Bi through the real llmcompressor, loaded again by transformers and by the real vLLM.

Runs in the compress environment. vLLM needs another one: its Python is taken from HOLA_SERVE_PYTHON, or from
`.venv/serve`; without it those tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("llmcompressor")

import yaml
from compress_once import TARGET, compress, rows, token_ids
from safetensors import safe_open

from hola_plugins.llmcompressor import LoBiModifier
from hola_plugins.lobi.config import InfeasibleBudgetError, LoBiError

ROOT = Path(__file__).parents[2]
SERVE = Path(os.environ.get("HOLA_SERVE_PYTHON", ROOT / ".venv" / "serve" / "bin" / "python"))
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
INT8 = {"target_device": "cpu_avx2"}
QUICK = {"steps": 4, "check_every": 2}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("target", {"target_ratio": 0.45}),
    "llama_cut": ("target", {"target_ratio": 0.4, "prune": 0.33, "lora": QUICK}),
    "llama_rtn": ("target", {"target_bits": 6.0, "quantizer": "rtn", "guard": False}),
    "qwen3": ("Qwen3", {"target_bits": 5.0}),
    "llama_int8": ("target", {"target_ratio": 0.7, **INT8}),
    "gemma3": ("Gemma3", {"target_bits": 12.0, "prune": {"kv_heads": 0.5}, "lora": {"steps": 0}, **INT8}),
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
    if name == "Gemma3":
        config = transformers.Gemma3TextConfig(**SHAPE, head_dim=32, sliding_window=64)
    else:
        config = getattr(transformers, f"{name}Config")(**SHAPE, head_dim=32)
    return getattr(transformers, f"{name}ForCausalLM")(config)


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of all cases, compressed."""
    folders = {}
    for case, (name, settings) in CASES.items():
        source, out = make(name), tmp_path_factory.mktemp(case)
        if not isinstance(source, Path):
            source.to(torch.bfloat16).save_pretrained(out / "source")
            source = out / "source"
        compress(source, LoBiModifier(**settings, report=str(out / "report.json")), out / "out")
        folders[case] = out
    return folders


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
        assert case in {"llama", "llama_rtn", "llama_int8", "qwen3"}
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
    if "predicted" in report and "kl" in report["predicted"]:
        assert report["measured"]["kl"] == pytest.approx(report["predicted"]["kl"], rel=0.6, abs=5e-4)


def runs_here(folder: Path) -> bool:
    """Tells whether vLLM's kernels on this CPU run a checkpoint: those for packed weights need AVX-512."""
    with safe_open(folder / "out" / "model.safetensors", "pt") as file:
        packed = any(name.endswith("weight_packed") for name in file.keys())  # noqa: SIM118
    return not packed or "avx512f" in Path("/proc/cpuinfo").read_text()


@pytest.fixture(scope="module")
def served(compressed: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """What vLLM makes of held-out text, by case."""
    if not SERVE.is_file():
        pytest.skip(f"no vLLM environment at {SERVE}: make serve-env, or set HOLA_SERVE_PYTHON")
    job = tmp_path_factory.mktemp("job") / "job.json"
    folders = {case: str(folder / "out") for case, folder in compressed.items() if runs_here(folder)}
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
    compressed: dict[str, Path], served: dict[str, float], case: str
) -> None:
    if case not in served:
        pytest.skip("vLLM's kernel for packed weights needs AVX-512, which this CPU lacks")
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


def test_a_recipe_with_a_misspelt_key_names_its_neighbour(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("lobi_stage: {lobi_modifiers: {LoBiModifier: {target_byte: 1000000}}}")
    with pytest.raises(ValueError, match="did you mean 'target_bytes'"):
        compress(TARGET, str(recipe), tmp_path / "out")


def test_layers_of_a_model_with_offset_norms_are_not_cut(tmp_path: Path) -> None:
    make("Gemma3").to(torch.bfloat16).save_pretrained(tmp_path / "source")
    with pytest.raises(LoBiError, match="layers of Gemma3ForCausalLM cannot be cut"):
        compress(tmp_path / "source", LoBiModifier(prune={"layers": 0.5}), tmp_path / "out")
