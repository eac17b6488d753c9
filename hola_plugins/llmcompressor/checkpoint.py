"""From a model to a compressed checkpoint in one call: what `hola compress` does."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from llmcompressor import oneshot
from llmcompressor.transformers.utils.helpers import infer_recipe_from_model_path
from safetensors import SafetensorError
from torch.utils.data import DataLoader

from hola_plugins.llmcompressor.loading import half_of_free_memory, load
from hola_plugins.llmcompressor.modifier import LoBiModifier
from hola_plugins.lobi.calibration import divide
from hola_plugins.lobi.calibration_file import Document, read_documents
from hola_plugins.lobi.calibration_rows import make_rows
from hola_plugins.lobi.config import LoBiConfig, LoBiError
from hola_plugins.lobi.default_text import NAME, default_documents, digest
from hola_plugins.lobi.model_source import (
    check_dense,
    check_unquantised,
    copy_generation_config,
    read_config,
    read_tokenizer,
    size_on_disk,
)
from hola_plugins.lobi.report import check_written
from hola_plugins.lobi.report_files import write_report
from hola_plugins.lobi.staged_folder import ADAPTER, staged_folder

REPORT_FILE = "lobi_report.json"
"""The report's name in the checkpoint; its page lies beside it."""

_RECIPE = (
    "{}, to which llmcompressor adds its own, is no recipe that it reads: move it away, or for a model of the hub "
    "give a folder without it ({})"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A model and the text it is calibrated with, checked and read before the weights are.

    Attributes:
        model: Path or hub id.
        name: What the report calls it.
        tokenizer: Its tokenizer.
        rows: Calibration rows, see `make_rows`.
        calibration: What the rows were made of: name and digest of the text, sequences, their length, seed.
    """

    model: str
    name: str
    tokenizer: Any
    rows: list[Any] = field(repr=False)
    calibration: dict[str, Any]


def read_source(model: str, calibration: Path | None, samples: int, length: int, seed: int) -> Source:
    """Reads what is needed besides the weights.

    Args:
        model: Path or hub id of a causal language model.
        calibration: File of calibration text; None takes that of this machine's Python, see
            `default_documents`.
        samples: Most sequences.
        length: Tokens of each; no more than the model's context.
        seed: Seed of their order.

    Raises:
        LoBiError: If there is no such model, or none of its tokenizer, if it is quantised or a mixture of experts,
            its recipe.yaml cannot be gone on with, or the text is empty, damaged or too short.
        OSError: If there is no such file.
    """
    config = read_config(model)
    check_unquantised(config, model)
    check_dense(config, model)
    _check_recipe(model)
    longest = getattr(config, "max_position_embeddings", None)
    tokenizer = read_tokenizer(model)
    documents, made_of = _read_calibration(calibration)
    length = min(length, longest or length)
    rows = make_rows(documents, tokenizer, samples, length, seed)
    made_of |= {"sequences": len(rows), "sequence_length": length, "seed": seed}
    return Source(model, model, tokenizer, rows, made_of)


def _read_calibration(file: Path | None) -> tuple[Sequence[Document], dict[str, Any]]:
    """Reads calibration text, and gives its name and digest too."""
    if file is None:
        documents = default_documents()
        return documents, {"source": NAME, "sha256": digest(documents)}
    return read_documents(file), {"source": file.name, "sha256": sha256(file.read_bytes()).hexdigest()}


def compress_checkpoint(
    source: Source,
    config: LoBiConfig,
    dtype: str,
    target: Path,
    memory: int | None = None,
    *,
    replace: bool = False,
) -> dict[str, Any]:
    """Compresses a model into a folder that appears when all is done.

    The rows that it is measured on are kept from llmcompressor too.

    Args:
        source: The model and its calibration rows.
        config: Lo-Bi's settings; the report goes into the folder.
        dtype: Dtype to load and store the model in; auto takes that of its checkpoint.
        target: The folder.
        memory: Most bytes of weights in memory; by default half of what is free, and all where weights are cut.
        replace: Whether a checkpoint that is there may be replaced.

    Returns:
        The report, which also lies in the folder as lobi_report.json, with what was read and the seconds.

    Raises:
        LoBiError: If the model, the data or the budget cannot be handled, the place is taken at the end, or the
            checkpoint exceeds the budget.
        OSError: If the folder cannot be written, as on a full disk.
    """
    began = time.perf_counter()
    with staged_folder(target, replace=replace) as folder, TemporaryDirectory(dir=folder) as spare:
        if memory is None and not config.changes_weights:
            memory = half_of_free_memory()
        model = load(source.model, dtype, memory, Path(spare))
        fitting, kept = divide(source.rows, config.held_out)
        modifier = LoBiModifier(**config.model_dump()).measure_on(kept)
        try:
            oneshot(
                model=model,
                tokenizer=source.tokenizer,
                recipe=modifier.writing_to(folder / REPORT_FILE, _staged_adapter(config, target, folder)),
                dataset=DataLoader(fitting, batch_size=1),
                output_dir=str(folder),
            )
            copy_generation_config(source.model, folder)
        except Exception as error:
            if not _is_of_the_system(error):
                raise
            raise OSError(f"{target} was not written: {error}; is the disk full?") from error
        seconds = time.perf_counter() - began
        run = {
            "model": source.name,
            "calibration": source.calibration | {"held_out": len(kept)},
            "bytes": size_on_disk(folder),
            "seconds": seconds,
        }
        return _complete(folder / REPORT_FILE, run)


def _is_of_the_system(error: Exception) -> bool:
    """Tells what the system refused: safetensors has a type for it, tokenizers a bare Exception with its number."""
    return isinstance(error, OSError | SafetensorError) or "(os error " in str(error)


def _staged_adapter(config: LoBiConfig, target: Path, folder: Path) -> Path | None:
    """Gives where an adapter that is to be in the target is made; None for one that is not."""
    adapter = config.lora.adapter
    inside = adapter is not None and Path(adapter).resolve() == (target / ADAPTER).resolve()
    return folder / ADAPTER if inside else None


def _check_recipe(model: str) -> None:
    """Refuses a model whose recipe llmcompressor, which adds to it when all is done, cannot read."""
    found = infer_recipe_from_model_path(model)
    try:
        recipe = {} if found is None else yaml.safe_load(Path(found).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LoBiError(_RECIPE.format(found, " ".join(str(error).split()))) from None
    if not isinstance(recipe, dict):
        raise LoBiError(_RECIPE.format(found, f"it holds {type(recipe).__name__}, no stages"))


def _complete(file: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Adds to the report what only the whole run knows.

    Raises:
        LoBiError: If the checkpoint is larger than the budget allows.
    """
    report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    check_written(report, run["bytes"])
    report |= {"name": run["model"], "run": run}
    write_report(file, report)
    return report
