"""The commented configuration to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template


def write_config(path: Path, pilot: str) -> None:
    """Writes the configuration to start from into a new file.

    Args:
        path: The file.
        pilot: The pilot's configuration, as seen from its folder.

    Raises:
        FileExistsError: The file is there already.
    """
    text = files("hola_plugins.tune").joinpath("template.yaml").read_text(encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(Template(text).substitute(pilot=pilot))
