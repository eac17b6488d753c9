"""Makes the checkpoints that are compared in vLLM: the model, widened if asked, uniform ones, and Lo-Bi's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compression_host import compress, load_tokenizer, size_of, stock_modifiers
from compression_serving import ask
from compression_subject import Subject
from compression_text import Corpus
from hola_plugins.lobi.scheme import LOADABLE
from hola_plugins.lobi.target_device import detect_device

_LENGTH = 128
_ROWS = 32
_UNIFORM = ("W4A16", "W8A8")


def measure_served(
    folder: Path,
    corpus: Corpus,
    python: Path,
    budgets: Sequence[float],
    widen: float | None,
    rounds: int,
    work: Path,
) -> dict[str, Any]:
    """Compares a model with its compressed forms in vLLM at batch 1.

    Args:
        folder: The model.
        corpus: Its text.
        python: Python of vLLM's environment.
        budgets: Percents of its bytes for Lo-Bi.
        widen: Milliseconds a decode step is made to cost first; None leaves the model as it is.
        rounds: Rounds of timing.
        work: Folder for the checkpoints.
    """
    name = folder.name
    if widen is not None:
        wide = work / f"{name}-{widen:g}ms"
        ask(python, "widen.py", "--model", str(folder), "--widen", str(widen), "--out", str(wide))
        folder = wide
    device = detect_device()
    subject = Subject(folder, corpus, _ROWS, _ROWS, _LENGTH, device)
    rows = subject.calibration(0)
    recipes = {
        plan.origin: stock_modifiers("rtn", subject.layers(plan))
        for plan in subject.uniform([scheme for scheme in _UNIFORM if scheme in LOADABLE[device]])
    } | {f"lobi {budget:g} %": _lobi(subject, budget) for budget in budgets}
    folders = {"bf16": folder}
    for kind, recipe in recipes.items():
        folders[kind] = work / kind.replace(" ", "-")
        compress(folder, recipe, rows, folders[kind], float32_products=True)
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
        "device": device,
        **found,
    }


def _lobi(subject: Subject, budget: float) -> list[Any]:
    from hola_plugins.llmcompressor import LoBiModifier

    settings = {"target_device": subject.device, "quantizer": "rtn"}
    return [LoBiModifier(target_bytes=subject.ceiling(budget), **settings)]
