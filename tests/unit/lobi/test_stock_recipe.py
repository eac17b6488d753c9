"""The recipe of a finished run in stock modifiers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.stock_recipe import stock_recipe

PLAN = {"W4A16": ["model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj"], "W8A8": ["lm_head"]}
FINISHED = {"target_bits": 4.5, "plan": PLAN, "tune": {"steps": 0}, "requires_calibration_data": True}
GROUPS = {
    "w4a16": {
        "targets": PLAN["W4A16"],
        "weights": {
            "num_bits": 4,
            "type": "int",
            "symmetric": True,
            "strategy": "group",
            "group_size": 128,
            "observer": "memoryless_mse",
        },
    },
    "w8a8": {
        "targets": ["lm_head"],
        "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"},
        "input_activations": {
            "num_bits": 8,
            "type": "int",
            "symmetric": True,
            "strategy": "token",
            "dynamic": True,
        },
    },
}


def write(folder: Path, entry: Any, **beside: Any) -> Path:
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({"a_stage": {"a_modifiers": {"LoBiModifier": entry} | beside}})
    )
    return folder


def modifiers(text: str) -> dict[str, Any]:
    (stage,) = yaml.safe_load(text).values()
    (group,) = stage.values()
    return dict(group)


@pytest.mark.parametrize(
    ("quantizer", "expected"),
    [
        ("gptq", {"GPTQModifier": {"config_groups": GROUPS, "actorder": "static"}}),
        ("rtn", {"QuantizationModifier": {"config_groups": GROUPS}}),
        ("awq", {"AWQModifier": {}, "QuantizationModifier": {"config_groups": GROUPS}}),
    ],
)
def test_a_finished_run_becomes_stock_modifiers(
    tmp_path: Path, quantizer: str, expected: dict[str, Any]
) -> None:
    write(tmp_path, FINISHED | {"quantizer": quantizer})
    assert modifiers(stock_recipe(tmp_path).text) == expected
    assert stock_recipe(tmp_path / "recipe.yaml").text.startswith("# recipe.yaml, in llmcompressor's own")


def test_it_says_whether_the_checkpoint_is_the_same(tmp_path: Path) -> None:
    exact = stock_recipe(write(tmp_path, FINISHED))
    tuned = stock_recipe(write(tmp_path, FINISHED | {"tune": {"steps": 20}}))
    assert modifiers(exact.text) == modifiers(tuned.text)
    assert "give the same checkpoint" in exact.same
    assert "untuned" in tuned.same
    assert all(one.same in one.text for one in (exact, tuned))


@pytest.mark.parametrize("steps", [0, 20])
def test_it_names_the_dtype_that_the_model_is_loaded_in(tmp_path: Path, steps: int) -> None:
    finished = FINISHED | {"tune": {"steps": steps}}
    write(tmp_path, finished)
    assert "in the dtype of the run" in stock_recipe(tmp_path).same
    (tmp_path / "config.json").write_text('{"dtype": "float16"}')
    for source in (tmp_path, tmp_path / "recipe.yaml"):
        found = stock_recipe(source)
        assert "in float16" in found.same
        assert f"# {found.same}\n" in found.text
    (tmp_path / "config.json").write_text('{"dtype": "float16\\na: b"}')
    assert "in the dtype of the run" in stock_recipe(tmp_path).same
    report = {
        "settings": finished | {"plan": None},
        "decided": {"plan": PLAN},
        "provenance": {"dtype": "float32"},
    }
    (tmp_path / "lobi_report.json").write_text(json.dumps(report))
    assert "in float32" in stock_recipe(tmp_path / "lobi_report.json").same


def test_other_modifiers_of_the_recipe_stay_in_their_order(tmp_path: Path) -> None:
    entry = {"SmoothQuantModifier": {"smoothing_strength": 0.5}}
    write(tmp_path, FINISHED, **entry)
    assert modifiers(stock_recipe(tmp_path).text)["SmoothQuantModifier"] == entry["SmoothQuantModifier"]


def test_tuples_of_another_modifier_become_lists(tmp_path: Path) -> None:
    mappings = [(["re:.*q_proj", "re:.*k_proj"], "re:.*input_layernorm")]
    entries = {"SmoothQuantModifier": {"mappings": mappings}, "LoBiModifier": FINISHED}
    (tmp_path / "recipe.yaml").write_text(yaml.dump({"a_stage": {"a_modifiers": entries}}))
    assert "python/tuple" in (tmp_path / "recipe.yaml").read_text()
    smoothing = modifiers(stock_recipe(tmp_path).text)["SmoothQuantModifier"]
    assert smoothing["mappings"] == [[["re:.*q_proj", "re:.*k_proj"], "re:.*input_layernorm"]]


@pytest.mark.parametrize("quantizer", ["rtn", "awq"])
def test_one_of_the_name_that_lo_bi_takes_stays_too(tmp_path: Path, quantizer: str) -> None:
    kv, lobi = {"kv_cache_scheme": {"num_bits": 8}}, FINISHED | {"quantizer": quantizer}
    group = {"QuantizationModifier": kv, "LoBiModifier": lobi, "PruneModifier": {}}
    (tmp_path / "recipe.yaml").write_text(
        yaml.safe_dump({"a_stage": {"a_modifiers": group}}, sort_keys=False)
    )
    (stage,) = yaml.safe_load(stock_recipe(tmp_path).text).values()
    assert list(stage) == ["a_modifiers", "lobi_a_modifiers", "after_a_modifiers"]
    assert stage["a_modifiers"] == {"QuantizationModifier": kv}
    assert stage["lobi_a_modifiers"]["QuantizationModifier"] == {"config_groups": GROUPS}
    assert list(stage["after_a_modifiers"]) == ["PruneModifier"]
    taken = {"a_modifiers": group, "lobi_a_modifiers": {"PruneModifier": {}}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"a_stage": taken}))
    with pytest.raises(
        LoBiError, match="the name lobi_a_modifiers is needed for Lo-Bi's modifiers, give another"
    ):
        stock_recipe(tmp_path)


def test_a_report_of_more_than_lo_bi_is_refused(tmp_path: Path) -> None:
    decided = {"prune": {"channels": 0.0}, "plan": PLAN}
    report = {
        "settings": {"target_bits": 4.5},
        "decided": decided,
        "other_modifiers": ["SmoothQuantModifier"],
    }
    (tmp_path / "report.json").write_text(json.dumps(report))
    words = r"nothing of the settings of SmoothQuantModifier, .* the checkpoint's folder, whose recipe\.yaml"
    with pytest.raises(LoBiError, match=words):
        stock_recipe(tmp_path / "report.json")


def test_a_report_gives_the_same_recipe(tmp_path: Path) -> None:
    report = {
        "settings": {"target_bits": 4.5, "prune": "auto"},
        "decided": {"prune": {"channels": 0.0}, "plan": PLAN},
    }
    file = tmp_path / "lobi_report.json"
    file.write_text(json.dumps(report))
    assert modifiers(stock_recipe(file).text) == modifiers(stock_recipe(write(tmp_path, FINISHED)).text)
    file.write_text(json.dumps(report | {"decided": {"prune": {"channels": 0.25}, "plan": PLAN}}))
    with pytest.raises(LoBiError, match="was cut"):
        stock_recipe(file)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (FINISHED | {"prune": {"channels": 0.25}}, "was cut"),
        ({"prune": {"layers": 0.5}}, "was cut"),
        ({"target_bits": 4.5, "prune": "auto"}, "has no plan"),
        (None, "has no plan"),
    ],
)
def test_what_no_stock_recipe_can_make_is_refused_with_the_reason(
    tmp_path: Path, entry: Any, words: str
) -> None:
    with pytest.raises(LoBiError, match=words):
        stock_recipe(write(tmp_path, entry))


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoBiError, match=r"no recipe\.yaml in .*: give the folder that `hola compress` made"):
        stock_recipe(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("a_stage: {a_modifiers: {GPTQModifier: {}}}")
    with pytest.raises(LoBiError, match="no entry LoBiModifier"):
        stock_recipe(tmp_path)
    recipe.write_text("a: [")
    with pytest.raises(LoBiError, match="is no YAML"):
        stock_recipe(tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(LoBiError, match="no report of a run"):
        stock_recipe(tmp_path / "report.json")
