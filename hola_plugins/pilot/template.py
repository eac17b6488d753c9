"""The commented configuration to start from."""

from __future__ import annotations

import json
import os
import re
from importlib.resources import files
from pathlib import Path
from string import Template

_CHECKOUT = Path(__file__).parents[2]
_EXAMPLES = {
    "model": "tests/models/target",
    "prompts": "integrations/vllm/prompts.jsonl",
    "documents": ".",
    "queries": "integrations/langchain/queries.jsonl",
    "intermediate": "tests/models/draft",
}
"""What a checkout of this project holds to try a pilot with."""

_PLAIN = re.compile(r"[\w./+-]+")
"""A path that YAML reads without quotes."""

_INCLUDE = "[README.md, CHANGELOG.md, integrations/*/README.md]"
_YOURS = {
    "model": "YOUR/MODEL",
    "prompts": "prompts.jsonl",
    "documents": "documents",
    "queries": "queries.jsonl",
    "include": "[]",
    "intermediate": "null",
}
_COMPRESS_PYTHON = ".venv/compress/bin/python"


def starting_config(folder: Path) -> str:
    """Writes the configuration to start from.

    Args:
        folder: Where it will lie; its paths start there.

    Returns:
        YAML. In a checkout of this project it runs as it is, on the models and files that are there; elsewhere the
        places to fill in have names that say so.
    """
    in_checkout = all((_CHECKOUT / place).exists() for place in _EXAMPLES.values())
    examples = {name: _from(folder, place) for name, place in _EXAMPLES.items()} | {"include": _INCLUDE}
    places = examples if in_checkout else _YOURS
    ready = (_CHECKOUT / _COMPRESS_PYTHON).exists()
    python = _from(folder, _COMPRESS_PYTHON) if in_checkout and ready else "null"
    text = files("hola_plugins.pilot").joinpath("template.yaml").read_text(encoding="utf-8")
    return Template(text).substitute(places, compress_python=python)


def write_config(path: Path) -> None:
    """Writes the configuration to start from into a new file.

    Raises:
        FileExistsError: The file is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(starting_config(path.parent.absolute()))


def _from(folder: Path, place: str) -> str:
    """Writes a place of the checkout as seen from a folder."""
    target = _CHECKOUT / place
    inside = folder.resolve().is_relative_to(_CHECKOUT.resolve())
    path = os.path.relpath(target, folder) if inside else str(target)
    return path if _PLAIN.fullmatch(path) else json.dumps(path)
