"""One run of llmcompressor over a recipe, for the tests: arguments are model, recipe and output folder."""

from __future__ import annotations

import inspect
import logging
import os
import sys
import textwrap
from pathlib import Path
from typing import Any

import torch
from llmcompressor import oneshot
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer

import hola_plugins.llmcompressor  # noqa: F401

TARGET = Path(__file__).parents[1] / "models" / "target"
LENGTH = 64


def token_ids(first: int = 0, count: int = 16 * LENGTH) -> list[int]:
    """Gives ids of a library file's text."""
    ids: list[int] = AutoTokenizer.from_pretrained(TARGET)(inspect.getsource(textwrap))["input_ids"]
    return ids[first : first + count]


def rows(count: int = 12) -> list[dict[str, torch.Tensor]]:
    """Gives calibration rows."""
    ids = torch.tensor(token_ids(count=count * LENGTH)).reshape(count, LENGTH)
    return [{"input_ids": row, "attention_mask": torch.ones_like(row)} for row in ids]


def compress(model: Any, recipe: Any, out: Path, data: Any = None, pipeline: str = "independent") -> None:
    """Compresses and saves, with the embedded target's tokenizer."""
    torch.set_num_threads(1)
    if not hasattr(model, "config"):
        model = AutoModelForCausalLM.from_pretrained(model)
    loader = DataLoader(rows() if data is None else data, batch_size=1)
    tokenizer = AutoTokenizer.from_pretrained(TARGET)
    oneshot(
        model=model,
        tokenizer=tokenizer,
        recipe=recipe,
        dataset=loader,
        output_dir=str(out),
        pipeline=pipeline,
    )


if __name__ == "__main__":
    logging.basicConfig(level=os.environ.get("HOLA_TEST_LOG", "WARNING"))
    compress(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
