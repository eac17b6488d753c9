"""Makes the checkpoints that are compared in vLLM: the model, widened if asked, uniform in 8 bits, and Lo-Bi's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from compression_host import compress, load_tokenizer, size_of, stock_modifiers
from compression_serving import ask
from compression_subject import Subject
from compression_text import Corpus
from hola_plugins.cpu import cpu_flags

_LENGTH = 128
_ROWS = 32
_SERVED = ("W8A8", "BF16")
"""Schemes that vLLM runs on any CPU; its kernel for packed weights needs AVX-512."""


def measure_served(
    folder: Path, corpus: Corpus, python: Path, budget: float, widen: float | None, rounds: int, work: Path
) -> dict[str, Any]:
    """Compares a model with its compressed forms in vLLM at batch 1.

    Args:
        folder: The model.
        corpus: Its text.
        python: Python of vLLM's environment.
        budget: Percent of its bytes for Lo-Bi.
        widen: Milliseconds a decode step is made to cost first; None leaves the model as it is.
        rounds: Rounds of timing.
        work: Folder for the checkpoints.
    """
    name = folder.name
    if widen is not None:
        wide = work / f"{name}-{widen:g}ms"
        ask(python, "widen.py", "--model", str(folder), "--widen", str(widen), "--out", str(wide))
        folder = wide
    subject = Subject(folder, corpus, _ROWS, _ROWS, _LENGTH, "cpu_avx2")
    rows = subject.calibration(0)
    uniform = next(plan for plan in subject.uniform(_SERVED[:1]))
    folders = {"bf16": folder, "uniform W8A8": work / "uniform", f"lobi {budget:g} %": work / "lobi"}
    uniform_recipe = stock_modifiers("rtn", subject.layers(uniform))
    compress(folder, uniform_recipe, rows, work / "uniform", float32_products=True)
    compress(folder, _lobi(subject, budget), rows, work / "lobi", float32_products=True)
    prompts = corpus.evaluation_rows(load_tokenizer(folder), 4, 32).tolist()
    job = work / "served.json"
    job.write_text(
        json.dumps(
            {
                "folders": {kind: str(path) for kind, path in folders.items()},
                "prompts": prompts,
                "tokens": 64,
                "rounds": rounds,
            }
        ),
        encoding="utf-8",
    )
    found = ask(python, "compression_serving.py", str(job))
    return {
        "model": name,
        "widened_ms": widen,
        "file_bytes": size_of(folder),
        "avx512": "avx512f" in cpu_flags(),
        **found,
    }


def _lobi(subject: Subject, budget: float) -> list[Any]:
    from hola_plugins.llmcompressor import LoBiModifier

    settings = {"target_device": subject.device, "quantizer": "rtn"}
    return [LoBiModifier(target_bytes=subject.ceiling(budget), **settings)]
