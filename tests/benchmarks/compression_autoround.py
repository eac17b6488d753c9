"""AutoRound: AutoScheme's choice of bits by layer, and models that AutoRound has rounded by its own method.

All of it runs in this process and on the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from compression_host import load, load_tokenizer
from compression_jobs import ModelJob
from compression_peers import Plan
from compression_subject import Subject
from compression_text import as_json_lines
from hola_plugins.lobi.scheme import SCHEMES, UNQUANTISED, parse_scheme

_SCORED_ROWS = 16
"""Rows that AutoScheme scores on: its default."""

_BATCH = 8
"""Rows of a step of its rounding: its default."""

_FUSED = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


def autoround_plans(
    subject: Subject, schemes: Sequence[str], bits: Sequence[float], rows: torch.Tensor, work: Path
) -> list[Plan]:
    """Asks AutoScheme.

    Args:
        subject: The model.
        schemes: What a layer may have.
        bits: Mean bits to ask for; those under the least of the schemes get no plan.
        rows: Calibration text, int64[rows, length].
        work: Folder for the text.
    """
    from auto_round.auto_scheme.gen_auto_scheme import AutoScheme, GenScheme
    from auto_round.schemes import QuantizationScheme

    os.environ["AR_AUTO_SCHEME_CACHE"] = str(work / "autoround")
    text = work / f"calibration-{hash(rows.numpy().tobytes()):x}.jsonl"
    text.write_text("\n".join(as_json_lines(rows, subject.tokenizer)) + "\n", encoding="utf-8")
    options = [QuantizationScheme.from_dict(_settings(name)) for name in schemes]
    layers = [layer for group in subject.groups for layer in group.members]
    plans = []
    for mean in (
        one for one in bits if one >= min(parse_scheme(name).stored_bits for name in schemes) + 0.02
    ):
        ask = AutoScheme(
            avg_bits=mean,
            options=options,
            shared_layers=_FUSED,
            nsamples=min(_SCORED_ROWS, len(rows) // 2),
            seqlen=rows.shape[1],
            low_gpu_mem_usage=False,
            device_map="cpu",
            enable_torch_compile=False,
        )
        model = load(subject.folder).float()
        tokenizer = load_tokenizer(subject.folder)
        maker = GenScheme(ask, model, layers, {}, str(text), "cpu", tokenizer, enable_torch_compile=False)
        found = maker.get_layer_config()
        plans.append({layer: _name_of(found[layer], schemes) for layer in layers})
    return plans


def whole_jobs(
    subject: Subject, rows: torch.Tensor, plans: Mapping[float, tuple[int, Plan]], seed: int
) -> Iterator[ModelJob]:
    """Yields AutoScheme's plans by budget, as `largest_plans` gives them, to be rounded by AutoRound itself."""
    for budget, (size, plan) in plans.items():
        make = partial(_rounded_model, subject, plan, rows, seed)
        yield ModelJob("autoround_whole", "autoround_whole", budget, seed, size, make)


def _rounded_model(subject: Subject, plan: Plan, rows: torch.Tensor, seed: int) -> Any:
    """Has AutoRound round a model by a plan: its own learned rounding, as it comes (200 steps a block).

    Args:
        subject: The model.
        plan: Scheme of every layer.
        rows: Calibration text, int64[rows, length]; all of it is used.
        seed: Seed of the order of rows.

    Returns:
        The model, which computes as its checkpoint would: weights lie on their grids, inputs are rounded. In float32,
        as checkpoints are measured: where a CPU has bfloat16, AutoRound leaves the model in that.
    """
    from auto_round import AutoRound

    rounder = AutoRound(
        load(subject.folder),
        load_tokenizer(subject.folder),
        scheme="W4A16",
        layer_config={layer: _settings(name) for layer, name in plan.items()},
        dataset=list(rows.split(_BATCH)),
        nsamples=len(rows),
        seqlen=rows.shape[1],
        seed=seed,
        device_map="cpu",
        enable_torch_compile=False,
    )
    model, _ = rounder.quantize()
    return model.float()


def _settings(name: str) -> dict[str, Any]:
    """Gives a scheme in AutoRound's words."""
    scheme = parse_scheme(name)
    if scheme.kind == "none":
        return {"bits": 16, "group_size": 128, "data_type": "fp", "act_bits": 16, "act_data_type": "fp"}
    settings: dict[str, Any] = {
        "bits": scheme.bits,
        "sym": True,
        "group_size": scheme.group_size or -1,
        "data_type": "int",
        "act_bits": scheme.activation_bits,
    }
    if scheme.activation_bits == 8:
        settings |= {"act_group_size": -1, "act_data_type": "int", "act_dynamic": True, "act_sym": True}
    return settings


def _name_of(found: Mapping[str, Any], schemes: Sequence[str]) -> str:
    """Gives the name of a scheme that AutoRound chose."""
    if found["bits"] >= 16:
        return UNQUANTISED
    width = None if found["group_size"] == -1 else found["group_size"]
    for name in schemes:
        scheme = SCHEMES[name]
        if (scheme.bits, scheme.group_size, scheme.activation_bits) == (
            found["bits"],
            width,
            found["act_bits"],
        ):
            return name
    raise ValueError(f"AutoScheme chose {dict(found)}, which is none of {list(schemes)}")
