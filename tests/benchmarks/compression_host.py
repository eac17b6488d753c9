"""llmcompressor, stock: modifiers for a plan, and one run of `oneshot` from a folder to a folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from compression_products import Float32Products
from compression_text import calibration_items
from hola_plugins.lobi.scheme import ACTORDER, parse_scheme

_CALIBRATION_BATCH = 8

Layers = Mapping[str, Sequence[str]]
"""Names of layers by the name of their scheme."""


def load(folder: Path) -> Any:
    """Loads a model in the dtype of its checkpoint."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval()


def load_tokenizer(folder: Path) -> Any:
    """Loads the tokenizer of a checkpoint."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def stock_modifiers(quantizer: str, plan: Layers, awq_grid: int = 20) -> list[Any]:
    """Makes llmcompressor's own modifiers for a plan.

    Four bits get their scales by least error, as Lo-Bi's do: stronger than llmcompressor's default.

    Args:
        quantizer: rtn, gptq or awq.
        plan: The layers of each scheme.
        awq_grid: Points that AWQ tries for each scale.
    """
    from compressed_tensors.quantization import QuantizationScheme
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    groups = {
        name.lower(): QuantizationScheme.model_validate(parse_scheme(name).as_config_group(list(layers)))
        for name, layers in plan.items()
    }
    if quantizer == "gptq":
        return [GPTQModifier(config_groups=groups, actorder=ACTORDER)]
    rounding = QuantizationModifier(config_groups=groups)
    return [rounding] if quantizer == "rtn" else [AWQModifier(n_grid=awq_grid), rounding]


def compress(
    source: Path, modifiers: Sequence[Any], rows: torch.Tensor, out: Path, *, float32_products: bool = False
) -> float:
    """Runs `oneshot` and saves.

    Args:
        source: Folder of the model.
        modifiers: The recipe.
        rows: Calibration text, int64[rows, length].
        out: Folder that receives the checkpoint; emptied first.
        float32_products: Multiply in float32; then the time is not llmcompressor's own.

    Returns:
        Seconds of the run, loading left out.
    """
    from llmcompressor import oneshot
    from llmcompressor.pipelines.cache import IntermediatesCache
    from torch.utils.data import DataLoader

    if not torch.accelerator.is_available():  # AWQ asks for pinned memory, which needs one
        IntermediatesCache.pin_memory = lambda self, *_, **__: None
    shutil.rmtree(out, ignore_errors=True)
    model, tokenizer = load(source), load_tokenizer(source)
    loader = DataLoader(calibration_items(rows), batch_size=_CALIBRATION_BATCH)
    began = time.perf_counter()
    with Float32Products() if float32_products else nullcontext():
        oneshot(model=model, tokenizer=tokenizer, recipe=list(modifiers), dataset=loader, output_dir=str(out))
    return time.perf_counter() - began


def size_of(folder: Path) -> int:
    """Gives the bytes of a checkpoint's weight files, headers included."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
