"""Low bits for a draft: Lo-Bi's plan under a budget, calibrated with the target's answers."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hola_plugins.files.whole_file import write_text
from hola_plugins.llmcompressor.checkpoint import Source, compress_checkpoint
from hola_plugins.lobi.calibration_rows import LEAST_ROWS, packed
from hola_plugins.lobi.config import LoBiConfig, LoBiError

_LENGTH = 256
"""Tokens of a calibration row."""


def quantise_draft(
    folder: Path, name: str, tokenizer: Any, answers: Sequence[Sequence[int]], config: LoBiConfig
) -> dict[str, Any]:
    """Replaces a draft by its quantised checkpoint, in compressed-tensors' format; the folder stays the same one.

    Args:
        folder: The draft.
        name: What its report calls it: the place that it is made for.
        tokenizer: Its tokenizer.
        answers: What calibrates it: token ids of prompts with the target's answers.
        config: Lo-Bi's settings, with a budget.

    Returns:
        Lo-Bi's report, which also lies in the folder as lobi_report.json.

    Raises:
        LoBiError: If the answers are too few, or the budget cannot be kept.
    """
    ids = [token for answer in answers for token in answer]
    rows = packed(ids, config.samples, _LENGTH)
    if len(rows) < LEAST_ROWS:
        raise LoBiError(
            f"the target's answers make {len(rows)} rows of {_LENGTH} tokens, and {LEAST_ROWS} are the least that "
            "calibrates: give more prompts, or leave out --bits"
        )
    made_of = {"source": "the target's answers", "sequences": len(rows), "sequence_length": _LENGTH}
    source = Source(str(folder), name, tokenizer, rows, made_of | {"seed": config.seed})
    with TemporaryDirectory(dir=folder) as spare:
        made = Path(spare, "small")
        report = compress_checkpoint(source, config, "auto", made)
        _match_names_at_their_end(made / "config.json")
        _empty(folder, Path(spare))
        for new in [*made.iterdir()]:
            new.rename(folder / new.name)
    return report


def _empty(folder: Path, kept: Path) -> None:
    """Removes all that a folder holds but one folder in it."""
    for old in [*folder.iterdir()]:
        if old.is_dir() and old != kept:
            shutil.rmtree(old)
        elif old != kept:
            old.unlink()


def _match_names_at_their_end(file: Path) -> None:
    """Writes the names of layers as patterns: vLLM's draft_model puts a prefix of its own before each."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    quantised = content["quantization_config"]
    for holder, key in [
        (quantised, "ignore"),
        *((one, "targets") for one in quantised["config_groups"].values()),
    ]:
        holder[key] = [name if name.startswith("re:") else f"re:.*{re.escape(name)}$" for name in holder[key]]
    write_text(file, json.dumps(content, indent=2) + "\n")
