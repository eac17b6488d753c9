"""Every recipe, by the command in its head comment, on the embedded target; then the checkpoint as a user loads it.

Runs in the compress environment.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("llmcompressor")

import yaml
from safetensors import safe_open

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
TARGET = ROOT / "tests" / "models" / "target"
CALIBRATION, HELD_OUT = ROOT / "README.md", ROOT / "tests" / "models" / "README.md"
SMALL = ["--samples", "24", "--length", "64"]
each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)


def head_comment(recipe: Path) -> str:
    lines = recipe.read_text().splitlines()
    count = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.lstrip("# ") for line in lines[:count])


def command_of(recipe: Path) -> list[str]:
    (line,) = re.findall(r"^python .*$", head_comment(recipe), re.MULTILINE)
    return shlex.split(line)


def settings_of(recipe: Path) -> dict[str, Any]:
    """The keys of Lo-Bi's entry; none where the recipe is of stock modifiers."""
    (stage,) = yaml.safe_load(recipe.read_text()).values()
    (modifiers,) = stage.values()
    return modifiers.get("LoBiModifier", {})


def weights_of(folder: Path) -> dict[str, Any]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Runs a recipe's command once and gives the folder in which it ran, with the checkpoint in OUT."""
    done: dict[Path, Path] = {}

    def run(recipe: Path) -> Path:
        if recipe not in done:
            done[recipe] = tmp_path_factory.mktemp(recipe.stem)
            _run(recipe, done[recipe])
        return done[recipe]

    return run


def _run(recipe: Path, folder: Path) -> None:
    """Runs the command as it stands, in the folder, with a model and a text for its placeholders."""
    places = {
        "MODEL": str(TARGET),
        "FILE": str(CALIBRATION),
        f"recipes/{recipe.name}": str(recipe),
    }
    _, script, *arguments = command_of(recipe)
    sys.path.insert(0, str((ROOT / script).parent))
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        if not torch.accelerator.is_available():
            from llmcompressor.pipelines.cache import IntermediatesCache

            # What the AWQ recipe needs an accelerator for.
            patch.setattr(IntermediatesCache, "pin_memory", lambda *_, **__: None)
        patch.chdir(folder)
        import run_recipe

        run_recipe.main([places.get(one, one) for one in arguments] + SMALL)


@each_recipe
def test_the_head_comment_has_the_command(recipe: Path) -> None:
    comment = head_comment(recipe)
    python, script, model, file, out, *_ = command_of(recipe)
    assert (python, model, file, out) == ("python", "MODEL", f"recipes/{recipe.name}", "OUT")
    assert (ROOT / script).is_file()
    for part in ("For:", "Run:", "Expect:", "Serve:"):
        assert re.search(f"^{part}", comment, re.MULTILINE), f"the head comment has no {part}"
    if "W4A16" in recipe.read_text():
        assert "AVX-512" in comment


@each_recipe
def test_transformers_loads_it_and_reads_text(recipe: Path, checkpoint: Callable[[Path], Path]) -> None:
    folder = checkpoint(recipe) / "OUT"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(HELD_OUT.read_text(), return_tensors="pt")["input_ids"][:, :512]
    with torch.no_grad():
        loss = float(model(input_ids=ids, labels=ids).loss)
    assert math.isfinite(math.exp(loss))
    assert loss < math.log(len(tokenizer)), "it predicts no better than a guess"


@each_recipe
def test_the_size_keeps_the_budget(recipe: Path, checkpoint: Callable[[Path], Path]) -> None:
    folder, settings = checkpoint(recipe), settings_of(recipe)
    found = weights_of(folder / "OUT")
    original = (TARGET / "model.safetensors").stat().st_size
    size = (folder / "OUT" / "model.safetensors").stat().st_size
    assert size < original
    if not settings:
        return
    config = json.loads((folder / "OUT" / "config.json").read_text())
    hidden, width, heads = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    attention = 2 * heads * (config["num_attention_heads"] + config["num_key_value_heads"])
    weights = config["num_hidden_layers"] * hidden * (3 * width + attention)
    stored = sum(tensor.nbytes for name, tensor in found.items() if "_proj." in name)
    assert 8 * stored / weights <= settings["target_bits"]
    report = json.loads((folder / settings["report"]).read_text())
    assert report["predicted"]["bytes"] == size
    assert (folder / settings["report"]).with_suffix(".html").is_file()


@each_recipe
def test_the_saved_config_has_the_cut_sizes(recipe: Path, checkpoint: Callable[[Path], Path]) -> None:
    config = json.loads((checkpoint(recipe) / "OUT" / "config.json").read_text())
    before = json.loads((TARGET / "config.json").read_text())
    cut = settings_of(recipe).get("prune", {})
    width = before["intermediate_size"]
    assert config["intermediate_size"] % 128 == 0
    assert config["intermediate_size"] == pytest.approx(width * (1 - cut.get("channels", 0)), abs=64)
    assert (config["intermediate_size"] < width) == ("channels" in cut)
    assert config["num_hidden_layers"] == before["num_hidden_layers"] * (1 - cut.get("layers", 0))


def test_recipes_are_shipped() -> None:
    assert {"lobi_w4_mixed", "lobi_w8_mixed", "lobi_prune25_mixed", "lobi_draft"} <= {
        recipe.stem for recipe in RECIPES
    }
    assert len(RECIPES) >= 6
