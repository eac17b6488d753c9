"""The recipe of a finished run in llmcompressor's own modifiers: the checkpoint again, without Lo-Bi.

A cut model is no recipe: its weights are new. Where scales and norms were tuned after the
quantisation, the recipe gives the same bits and bytes without the tuning, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hola_plugins.files.input_file import SETTINGS_BYTES, WHOLE_BYTES, read_json, read_text
from hola_plugins.lobi.config import LoBiConfig, LoBiError, PruneConfig, load_config
from hola_plugins.lobi.scheme import ACTORDER, parse_scheme

RECIPE_FILE = "recipe.yaml"
"""What llmcompressor writes beside a checkpoint."""

_ENTRIES = 1_000_000
"""Most keys and entries of a recipe, which may name every layer of a model."""

_ENTRY = "LoBiModifier"
_CUT = "the model was cut, so no recipe of stock modifiers gives its weights"
_HEAD = """\
# {source}, in llmcompressor's own modifiers: oneshot(model=..., recipe="recipe.yaml", dataset=...)
# {same}
"""
_EXACT = (
    "The same model, loaded in {dtype}, and the same calibration rows in the same order (of a dataset: "
    "shuffle_calibration_samples=False), without those that hola compress keeps for measuring, give the same "
    "checkpoint."
)
_TUNED = (
    "The run also tuned scales and norms (tune.steps), which no stock modifier does: this gives the same bits and "
    "bytes, untuned. Load the model in {dtype}."
)
_UNKNOWN = "the dtype of the run"


@dataclass(frozen=True, slots=True)
class StockRecipe:
    """A recipe of llmcompressor's own modifiers.

    Attributes:
        text: The recipe as YAML, with a head comment.
        same: In words, how near its checkpoint is to the run's.
    """

    text: str
    same: str


def stock_recipe(source: Path) -> StockRecipe:
    """Writes the recipe of a finished run.

    Args:
        source: A checkpoint's folder, its recipe.yaml, or the JSON report of a run.

    Raises:
        LoBiError: If there is no finished run, or one that cut the model.
        OSError: If the file cannot be read.
        ImportError: If the library for YAML is missing.
    """
    yaml = _yaml()
    file = recipe_file(source)
    if not file.exists():
        raise LoBiError(
            f"no {file.name} in {file.parent}: give the folder that `hola compress` made, its recipe or its report"
        )
    recipe = _from_report(file) if file.suffix == ".json" else _read_yaml(file, yaml)
    found: list[LoBiConfig] = []
    stock = _replaced(recipe, file, found)
    if not found:
        raise LoBiError(f"{file} has no entry {_ENTRY}: give the folder, recipe or report of a run of Lo-Bi")
    body = yaml.safe_dump(stock, sort_keys=False, default_flow_style=None, width=110)
    tuned = any(config.tune.steps for config in found)
    same = (_TUNED if tuned else _EXACT).format(dtype=_dtype_of_run(file) or _UNKNOWN)
    return StockRecipe(_HEAD.format(source=source.name, same=same) + body, same)


def recipe_file(source: Path) -> Path:
    """Gives the file that a recipe is made from: in a checkpoint's folder its recipe, else what was given."""
    return source / RECIPE_FILE if source.is_dir() else source


def stock_modifiers(quantizer: str, plan: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Gives llmcompressor's modifiers, by name with their keys, that make a plan; none where nothing is quantised.

    Args:
        quantizer: Which of its methods quantises.
        plan: Layers by scheme.
    """
    if not plan:
        return {}
    groups = {name.lower(): parse_scheme(name).as_config_group(layers) for name, layers in plan.items()}
    if quantizer == "gptq":
        return {"GPTQModifier": {"config_groups": groups, "actorder": ACTORDER}}
    rounding = {"QuantizationModifier": {"config_groups": groups}}
    return rounding if quantizer == "rtn" else {"AWQModifier": {}, **rounding}


def _replaced(node: Any, file: Path, found: list[LoBiConfig]) -> Any:
    """Copies a recipe with Lo-Bi's entry replaced."""
    if not isinstance(node, Mapping):
        return node
    copied: dict[str, Any] = {}
    for key, value in node.items():
        if not isinstance(value, Mapping) or _ENTRY not in value:
            copied[key] = _replaced(value, file, found)
            continue
        found.append(_finished(value[_ENTRY], file))
        groups = _regrouped(key, value, stock_modifiers(found[-1].quantizer, found[-1].plan or {}))
        if taken := groups.keys() & (node.keys() - {key}):
            raise LoBiError(
                f"{file}: the name {', '.join(sorted(taken))} is needed for Lo-Bi's modifiers, give another"
            )
        copied |= groups
    return copied


def _regrouped(name: str, modifiers: Mapping[str, Any], stock: Mapping[str, Any]) -> dict[str, Any]:
    """Puts stock modifiers in the place of Lo-Bi's entry; in a group of their own where one's name is taken.

    Args:
        name: The group's name.
        modifiers: Its modifiers.
        stock: What replaces Lo-Bi's.
    """
    place = list(modifiers).index(_ENTRY)
    before, after = dict([*modifiers.items()][:place]), dict([*modifiers.items()][place + 1 :])
    if not stock.keys() & modifiers.keys():
        return {name: {**before, **stock, **after}}
    groups = {name: before, f"lobi_{name}": dict(stock), f"after_{name}": after}
    return {key: group for key, group in groups.items() if group}


def _finished(entry: Any, file: Path) -> LoBiConfig:
    """Checks that an entry's run decided bits alone, and decided them."""
    settings = {key: value for key, value in dict(entry or {}).items() if key in LoBiConfig.model_fields}
    config = load_config(settings)
    if isinstance(config.prune, PruneConfig) and config.prune.active:
        raise LoBiError(f"{file}: {_CUT}")
    if not config.plan:
        raise LoBiError(f"{file} has no plan: nothing was quantised, or the run has not ended")
    return config


def _from_report(file: Path) -> dict[str, Any]:
    """Makes the recipe of a run from its report."""
    try:
        report = read_json(file, WHOLE_BYTES)
        settings = dict(report["settings"]) | dict(report["decided"])
        others = [str(name) for name in report.get("other_modifiers", [])]
    except (LookupError, TypeError, ValueError) as error:
        raise LoBiError(f"{file} is no report of a run of Lo-Bi ({error!r})") from None
    if others:
        raise LoBiError(
            f"{file} tells nothing of the settings of {', '.join(others)}, which ran beside Lo-Bi: give the "
            f"checkpoint's folder, whose {RECIPE_FILE} has them"
        )
    return {"lobi_stage": {"lobi_modifiers": {_ENTRY: settings}}}


def _dtype_of_run(file: Path) -> str | None:
    """Gives the dtype of a run from its report, or from the config beside its recipe; None where neither says it."""
    try:
        if file.suffix == ".json":
            dtype = read_json(file, WHOLE_BYTES)["provenance"]["dtype"]
        else:
            dtype = read_json(file.with_name("config.json"), SETTINGS_BYTES)["dtype"]
    except (OSError, LookupError, TypeError, ValueError):
        return None
    return dtype if isinstance(dtype, str) and dtype.isidentifier() else None


def _read_yaml(file: Path, yaml: Any) -> Any:
    """Reads a recipe."""
    try:
        recipe = _loader(yaml)(read_text(file, WHOLE_BYTES)).get_single_data()
    except RecursionError:
        raise LoBiError(f"{file} is nested too deeply to be a recipe") from None
    except (yaml.YAMLError, ValueError, AttributeError) as error:
        raise LoBiError(f"{file} is no YAML: {error}") from None
    _check_size(recipe, file)
    return recipe


def _loader(yaml: Any) -> Any:
    """Gives PyYAML's safe loader, which takes tuples for lists: llmcompressor writes SmoothQuant's mappings so."""

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_constructor(
        "tag:yaml.org,2002:python/tuple", lambda loader, node: loader.construct_sequence(node, deep=True)
    )
    return Loader


def _check_size(recipe: Any, file: Path) -> None:
    """Refuses a recipe that aliases make huge or endless.

    Raises:
        LoBiError: If it has more entries than a recipe has, those behind aliases counted wherever they stand.
    """
    nodes = [recipe]
    for node in nodes:
        if isinstance(node, Mapping | list):
            nodes.extend(node.values() if isinstance(node, Mapping) else node)
        if len(nodes) > _ENTRIES:
            raise LoBiError(
                f"{file} has more than {_ENTRIES} entries: write out what its aliases (*name) stand for"
            )


def _yaml() -> Any:
    """Imports PyYAML, which llmcompressor, transformers and vLLM bring."""
    try:
        import yaml
    except ImportError as error:
        raise ImportError("recipes need PyYAML. Install it with: pip install pyyaml") from error
    return yaml
