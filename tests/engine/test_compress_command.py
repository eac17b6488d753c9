"""`hola compress` and `hola recipe` on the embedded target, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("llmcompressor")

import yaml
from compress_once import TARGET, rows
from safetensors.torch import load_file
from typer.testing import CliRunner

from hola_plugins.cli import app
from hola_plugins.llmcompressor.checkpoint import REPORT_FILE
from hola_plugins.lobi.calibration import divide

ROOT = Path(__file__).parents[2]
QUICK = ["--device", "cpu", "--samples", "12", "--sequence-length", "64"]


def start(*arguments: str, file_limit: int | None = None) -> subprocess.Popen[str]:
    """Starts the command, with a limit on the size of files as a full disk has."""
    limit = [] if file_limit is None else ["prlimit", f"--fsize={file_limit}"]
    return subprocess.Popen(
        [*limit, sys.executable, "-m", "hola_plugins.cli", *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def hola(*arguments: str, status: int = 0, file_limit: int | None = None) -> tuple[str, str]:
    """Runs the command to its end; gives its output and its messages."""
    process = start(*arguments, file_limit=file_limit)
    output, messages = process.communicate(timeout=600)
    assert process.returncode == status, messages[-3000:]
    return output, messages


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def small(work: Path) -> tuple[Path, str, str]:
    """The target at 45 %, with the default text; the folder, the output and the messages."""
    out = work / "out" / "small"
    arguments = ["--budget", "45%", "--out", str(out), "--cache", str(work / "scores"), *QUICK]
    return (out, *hola("compress", str(TARGET), *arguments))


def test_the_checkpoint_is_complete_and_within_the_budget(small: tuple[Path, str, str]) -> None:
    out, output, messages = small
    report = json.loads((out / REPORT_FILE).read_text())
    size = (out / "model.safetensors").stat().st_size
    assert size == report["predicted"]["bytes"] == report["run"]["bytes"]
    assert size <= 0.45 * (TARGET / "model.safetensors").stat().st_size
    assert {"config.json", "tokenizer.json", "recipe.yaml", "lobi_report.html"} <= set(names(out))
    assert names(out.parent) == ["small"]
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    assert model.config.quantization_config is not None
    assert f"{size / report['original']['bytes']:.1%}" in output
    assert f"{report['measured']['perplexity']:.3f}" in output
    assert not report["measured"]["seen"]
    assert f"vllm.entrypoints.openai.api_server --model {out} --speculative-config" in output
    assert "12 sequences of 64 tokens from Python's documentation" in messages
    assert "(--calibration) is the better choice" in messages


def test_no_file_of_the_checkpoint_names_the_folder_it_was_made_in(small: tuple[Path, str, str]) -> None:
    out = small[0]
    for name in ("recipe.yaml", REPORT_FILE, "lobi_report.html", "config.json"):
        assert ".unfinished" not in (out / name).read_text()


REMAKE = """
import sys, torch
from llmcompressor import oneshot
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer
model, recipe, data, out = sys.argv[1:]
oneshot(
    model=AutoModelForCausalLM.from_pretrained(model),
    tokenizer=AutoTokenizer.from_pretrained(model),
    recipe=recipe,
    dataset=DataLoader(torch.load(data), batch_size=1),
    output_dir=out,
)
print([name for name in sys.modules if name.startswith("hola_plugins")])
"""


def test_the_stock_recipe_makes_the_same_tensors_without_this_package(
    small: tuple[Path, str, str], work: Path
) -> None:
    from hola_plugins.llmcompressor.checkpoint import read_source

    out = small[0]
    hola("recipe", str(out), "--out", str(work / "stock.yaml"))
    made = json.loads((out / REPORT_FILE).read_text())["run"]["calibration"]
    source = read_source(str(TARGET), None, made["sequences"], made["sequence_length"], made["seed"])
    fitting, kept = divide(source.rows, 0.25)
    assert len(kept) == made["held_out"] == 3
    assert source.calibration["sha256"] == made["sha256"]
    torch.save(fitting, work / "rows.pt")
    command = [sys.executable, "-c", REMAKE, str(TARGET), str(work / "stock.yaml"), str(work / "rows.pt")]
    again = work / "again"
    done = subprocess.run(
        [*command, str(again)],
        cwd=work,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "[]"
    first, second = (load_file(folder / "model.safetensors") for folder in (out, again))
    assert set(first) == set(second)
    assert all(torch.equal(first[name], second[name]) for name in first)
    report_recipe, _ = hola("recipe", str(out / REPORT_FILE))
    stages = [yaml.safe_load(text) for text in (report_recipe, (work / "stock.yaml").read_text())]
    groups: list[dict[str, Any]] = [
        group for stage in stages for one in stage.values() for group in one.values()
    ]
    assert groups[0] == groups[1]


def test_own_text_a_cut_and_a_second_run_over_the_first(work: Path) -> None:
    text = work / "own.jsonl"
    tokenizer = transformers.AutoTokenizer.from_pretrained(TARGET)
    records = [{"text": tokenizer.decode(row["input_ids"])} for row in rows(15)]
    text.write_text("".join(json.dumps(record) + "\n" for record in records))
    out = work / "cut"
    arguments = ["--out", str(out), "--cache", str(work / "scores"), "--calibration", str(text), *QUICK]
    cut = ["--prune", "33%", "--adapter", str(out / "adapter")]
    hola("compress", str(TARGET), "--budget", "1.2MB", *cut, *arguments)
    assert (out / "adapter" / "adapter_model.safetensors").is_file()
    for name in ("recipe.yaml", REPORT_FILE):
        assert str(out / "adapter") in (out / name).read_text()
        assert ".unfinished" not in (out / name).read_text()
    assert json.loads((out / "config.json").read_text())["intermediate_size"] == 256
    assert json.loads((out / REPORT_FILE).read_text())["run"]["calibration"]["source"] == "own.jsonl"
    _, messages = hola("recipe", str(out), status=2)
    assert "was cut" in messages
    _, messages = hola("compress", str(TARGET), "--budget", "6bit", *arguments, status=2)
    assert "--force" in messages
    hola("compress", str(TARGET), "--budget", "6bit", "--force", "--tune", "10", *arguments)
    assert json.loads((out / "config.json").read_text())["intermediate_size"] == 384
    assert not (out / "adapter").exists()
    assert "untuned" in hola("recipe", str(out))[1]


def test_what_will_not_do_is_refused_before_the_work(work: Path) -> None:
    bare = work / "bare"
    shutil.copytree(TARGET, bare, ignore=shutil.ignore_patterns("tokenizer*"))
    quantised = work / "quantised"
    shutil.copytree(TARGET, quantised)
    config = json.loads((TARGET / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "compressed-tensors"}
    (quantised / "config.json").write_text(json.dumps(config))
    experts = work / "experts"
    shutil.copytree(TARGET, experts)
    mixtral = transformers.MixtralConfig(num_local_experts=4)
    (experts / "config.json").write_text(
        json.dumps({"architectures": ["MixtralForCausalLM"], **mixtral.to_dict()})
    )
    recipe = work / "recipe"
    shutil.copytree(TARGET, recipe)
    (recipe / "recipe.yaml").write_text("stage: !!python/object/apply:os.getcwd []\n")
    generation = work / "generation"
    shutil.copytree(TARGET, generation)
    (generation / "generation_config.json").write_text('{"early_stopping": true}')
    empty = work / "empty.jsonl"
    empty.write_text("")
    short = work / "short.txt"
    short.write_text("The inlet valve closes first.")
    cases = [
        (str(bare), [], "has no tokenizer"),
        (str(quantised), [], "quantised is quantised, and layers that a plan leaves as they are"),
        (str(experts), [], "experts is a mixture of experts (num_experts is 4)"),
        (str(recipe), [], "recipe.yaml, to which llmcompressor adds its own, is no recipe that it reads"),
        (str(generation), [], "mend generation_config.json"),
        (str(TARGET), ["--calibration", str(empty)], "is empty"),
        (str(TARGET), ["--calibration", str(short)], "give at least 8"),
        (str(TARGET), ["--calibration", str(work / "missing")], "missing"),
        (str(TARGET), ["--quantizer", "magic"], "'quantizer' = 'magic'"),
        (str(TARGET), ["--choices", "W8A16"], "W8A16 does not load in vLLM on cpu"),
        (str(TARGET), ["--budget", "1%"], "the smallest that is feasible is target_bytes: "),
        (str(work / "nowhere"), [], "nowhere is neither a folder with a model nor one that the hub gives"),
    ]
    out = work / "refused"
    for model, extra, words in cases:
        budget = [] if "--budget" in extra else ["--budget", "45%"]
        arguments = ["--out", str(out), "--cache", str(work / "scores"), *QUICK, *budget, *extra]
        answer = CliRunner().invoke(app, ["compress", model, *arguments])
        assert answer.exit_code == 2, answer.output
        assert words in " ".join(answer.output.split())
        assert not out.exists()


def test_a_checkpoint_has_the_generation_config_of_its_model(work: Path) -> None:
    model, out = work / "sampling", work / "sampled"
    shutil.copytree(TARGET, model)
    generation = '{"temperature": 0.0, "top_p": 0.9, "do_sample": false}'
    (model / "generation_config.json").write_text(generation)
    (model / "recipe.yaml").write_text("version: 1\n")
    budget = ["--budget", "6bit", "--quantizer", "rtn", "--cache", str(work / "scores")]
    hola("compress", str(model), *budget, "--out", str(out), *QUICK)
    assert (out / "generation_config.json").read_text() == generation
    assert yaml.safe_load((out / "recipe.yaml").read_text())["version"] == 1


def test_a_full_disk_leaves_nothing(work: Path) -> None:
    out = work / "full" / "small"
    arguments = ["--budget", "45%", "--out", str(out), "--cache", str(work / "scores"), *QUICK]
    _, messages = hola("compress", str(TARGET), *arguments, status=2, file_limit=500_000)
    assert "is the disk full?" in messages
    assert not list(out.parent.iterdir())


def test_a_checkpoint_larger_than_its_budget_is_not_kept(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hola_plugins.llmcompressor.checkpoint.size_on_disk", lambda _: 1 << 30)
    out = work / "large" / "small"
    arguments = ["--budget", "45%", "--out", str(out), "--cache", str(work / "scores"), *QUICK]
    answer = CliRunner().invoke(app, ["compress", str(TARGET), *arguments])
    assert answer.exit_code == 2
    assert "has 1073741824 bytes where the budget allows" in " ".join(answer.output.split())
    assert not list(out.parent.iterdir())


def test_a_killed_run_leaves_no_checkpoint_and_the_next_one_uses_its_scores(work: Path) -> None:
    out, cache = work / "killed" / "small", work / "killed_scores"
    arguments = [str(TARGET), "--budget", "50%", "--out", str(out), "--cache", str(cache), *QUICK]
    process = start("compress", *arguments)
    while not list(cache.glob("*.json")):
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    (scores,) = cache.glob("*.json")
    written = scores.stat().st_mtime_ns
    hola("compress", *arguments)
    assert [file.stat().st_mtime_ns for file in cache.glob("*.json")] == [written]
    assert names(out.parent) == ["small"]


@pytest.mark.parametrize("shard", ["1GB", "1MB"])
def test_a_model_whose_config_has_no_dtype_is_counted_in_that_of_its_weights(
    tmp_path: Path, shard: str
) -> None:
    from hola_plugins.llmcompressor.loading import loaded_bytes

    model = transformers.AutoModelForCausalLM.from_pretrained(TARGET, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path, max_shard_size=shard)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["dtype"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert transformers.AutoConfig.from_pretrained(tmp_path).dtype is None
    assert (tmp_path / "model.safetensors").exists() == (shard == "1GB")
    weights = sum(weight.numel() for weight in model.parameters())
    assert loaded_bytes(str(tmp_path), "auto") == 2 * weights
    assert loaded_bytes(str(tmp_path), "float32") == 4 * weights


def test_a_model_larger_than_its_memory_gives_the_same_tensors(work: Path) -> None:
    """Most of the weights stay on disk, and so do those that change; the checkpoint is in several small files."""
    budget = [
        "--budget",
        "60%",
        "--quantizer",
        "rtn",
        "--device",
        "cpu",
        "--samples",
        "8",
        "--sequence-length",
        "32",
    ]
    for out, memory in (("whole", "1GB"), ("by-layer", "1MB")):
        _, messages = hola("compress", str(TARGET), *budget, "--memory", memory, "--out", str(work / out))
        assert ("larger than the 1.00 MB that its weights may take" in messages) == (memory == "1MB")
    whole = load_file(work / "whole" / "model.safetensors")
    shards = sorted((work / "by-layer").glob("model-*.safetensors"))
    found = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    assert len(shards) > 4
    report = json.loads((work / "by-layer" / REPORT_FILE).read_text())
    assert report["run"]["bytes"] == report["predicted"]["bytes"] == sum(one.stat().st_size for one in shards)
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], whole[name]) for name in whole)
    assert not [path for path in (work / "by-layer").iterdir() if path.is_dir()]
