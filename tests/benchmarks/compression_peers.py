"""Plans of other tools that choose bits by layer: AutoRound's AutoScheme and ModelOpt's auto_quantize.

Both are asked for the mean bits that a budget leaves, over the same schemes. Of their plans the largest that fits is
made by the same GPTQ as ours, so that what differs is the choice of bits alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from compression_host import Layers, load, load_tokenizer
from compression_jobs import Job, plan_job
from compression_subject import Subject
from compression_text import as_json_lines
from hola_plugins.lobi.checkpoint_bytes import checkpoint_bytes
from hola_plugins.lobi.scheme import SCHEMES, UNQUANTISED, parse_scheme

_MORE = (0.0, 0.1)
"""Mean bits asked for beyond what a budget leaves: AutoScheme counts zero points that symmetric schemes lack."""

_AUTOROUND_ROWS = 16
"""Rows that AutoScheme scores on: its default."""

_MODELOPT_ROWS = 64
"""Rows that ModelOpt calibrates and scores on."""

_FUSED = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
_HERE = Path(__file__).resolve().parent

Plan = dict[str, str]
"""Name of the scheme of every layer."""


def bits_left(subject: Subject, budgets: Sequence[float]) -> list[float]:
    """Gives the mean bits of a weight, scales included, that each budget leaves, and a little more."""
    layers = [layer for group in subject.groups for layer in group.members]
    weights = sum(subject.model.get_submodule(layer).weight.numel() for layer in layers)
    others = subject.original_bytes - 2 * weights
    left = [8 * (subject.ceiling(budget) - others) / weights for budget in budgets]
    return sorted(bits + more for bits in left for more in _MORE)


def autoround_plans(
    subject: Subject, schemes: Sequence[str], bits: Sequence[float], rows: torch.Tensor, work: Path
) -> list[Plan]:
    """Asks AutoScheme, in this process and on the CPU.

    Args:
        subject: The model.
        schemes: What a layer may have.
        bits: Mean bits to ask for; those under the least of the schemes get no plan.
        rows: Calibration text, int64[rows, length].
        work: Folder for the text.
    """
    from auto_round.auto_scheme.gen_auto_scheme import AutoScheme, GenScheme

    os.environ["AR_AUTO_SCHEME_CACHE"] = str(work / "autoround")
    text = work / f"calibration-{hash(rows.numpy().tobytes()):x}.jsonl"
    text.write_text("\n".join(as_json_lines(rows, subject.tokenizer)) + "\n", encoding="utf-8")
    options = {name: _autoround_scheme(name) for name in schemes}
    layers = [layer for group in subject.groups for layer in group.members]
    plans = []
    for mean in (
        one for one in bits if one >= min(parse_scheme(name).stored_bits for name in schemes) + 0.02
    ):
        ask = AutoScheme(
            avg_bits=mean,
            options=list(options.values()),
            shared_layers=_FUSED,
            nsamples=min(_AUTOROUND_ROWS, len(rows) // 2),
            seqlen=rows.shape[1],
            low_gpu_mem_usage=False,
            device_map="cpu",
            enable_torch_compile=False,
        )
        model = load(subject.folder)
        tokenizer = load_tokenizer(subject.folder)
        maker = GenScheme(ask, model, layers, {}, str(text), "cpu", tokenizer, enable_torch_compile=False)
        found = maker.get_layer_config()
        plans.append({layer: _name_of(found[layer], schemes) for layer in layers})
    return plans


def _autoround_scheme(name: str) -> Any:
    """Gives a scheme as AutoRound calls it."""
    from auto_round.schemes import QuantizationScheme

    scheme = parse_scheme(name)
    if scheme.kind == "none":
        return QuantizationScheme.from_dict(
            {"bits": 16, "group_size": 128, "data_type": "fp", "act_bits": 16, "act_data_type": "fp"}
        )
    settings = {
        "bits": scheme.bits,
        "sym": True,
        "group_size": scheme.group_size or -1,
        "data_type": "int",
        "act_bits": scheme.activation_bits,
    }
    if scheme.activation_bits == 8:
        settings |= {"act_group_size": -1, "act_data_type": "int", "act_dynamic": True, "act_sym": True}
    return QuantizationScheme.from_dict(settings)


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


def modelopt_plans(
    subject: Subject,
    schemes: Sequence[str],
    bits: Sequence[float],
    rows: torch.Tensor,
    work: Path,
    python: Path,
) -> list[Plan]:
    """Asks ModelOpt in its own environment.

    Args:
        subject: The model.
        schemes: What a layer may have.
        bits: Mean bits to ask for; those under the least of the schemes get no plan.
        rows: Calibration text, int64[rows, length].
        work: Folder for the job and the answer.
        python: Python of an environment with nvidia-modelopt.

    Raises:
        RuntimeError: If it fails; with the end of what it printed.
    """
    job, answer = work / "modelopt_job.json", work / "modelopt_plans.json"
    content = {
        "model": str(subject.folder),
        "rows": rows[:_MODELOPT_ROWS].tolist(),
        "bits": list(bits),
        "schemes": {name: _modelopt_scheme(name) for name in schemes if name != UNQUANTISED},
        "out": str(answer),
    }
    job.write_text(json.dumps(content), encoding="utf-8")
    done = subprocess.run(
        [python, _HERE / "compression_modelopt.py", job], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"in {python}: {done.stderr.strip().splitlines()[-1]}")
    layers = [layer for group in subject.groups for layer in group.members]
    plans = json.loads(answer.read_text(encoding="utf-8"))
    return [{layer: plan.get(layer, UNQUANTISED) for layer in layers} for plan in plans]


def _modelopt_scheme(name: str) -> list[Any]:
    """Gives what `compression_modelopt.py` needs of a scheme."""
    scheme = parse_scheme(name)
    return [scheme.bits, scheme.group_size, scheme.activation_bits, scheme.stored_bits]


def peer_jobs(
    subject: Subject, tool: str, plans: Sequence[Plan], budgets: Sequence[float], seed: int
) -> Iterator[Job]:
    """Yields a tool's largest plan for every budget that one fits."""
    sizes = {_size(subject, plan): plan for plan in plans}
    for budget in budgets:
        fitting = [size for size in sizes if size <= subject.ceiling(budget)]
        if fitting:
            yield plan_job(tool, tool, _by_scheme(sizes[max(fitting)]), seed, budget)


def _size(subject: Subject, plan: Plan) -> int:
    return checkpoint_bytes(
        subject.model, {layer: parse_scheme(name) for layer, name in plan.items() if name != UNQUANTISED}
    )


def _by_scheme(plan: Plan) -> Layers:
    found: dict[str, list[str]] = {}
    for layer, name in plan.items():
        if name != UNQUANTISED:
            found.setdefault(name, []).append(layer)
    return found
