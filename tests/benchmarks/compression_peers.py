"""Plans of other tools that choose bits by layer: what they are asked, and which of their plans is made.

They are asked for the mean bits that a budget leaves, over the same schemes. Of their plans the largest that fits is
made by the same GPTQ as ours, so that what differs is the choice of bits alone.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from compression_host import Layers
from compression_jobs import CheckpointJob, plan_job
from compression_subject import Subject
from hola_plugins.lobi.scheme import UNQUANTISED, parse_scheme

_MORE = (0.0, 0.1)
"""Mean bits asked for beyond what a budget leaves: AutoScheme counts zero points that symmetric schemes lack."""

_MODELOPT_ROWS = 64
"""Rows that ModelOpt calibrates and scores on."""

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


def peer_jobs(tool: str, plans: Mapping[float, tuple[int, Plan]], seed: int) -> Iterator[CheckpointJob]:
    """Yields a tool's plans by budget, as `largest_plans` gives them, to be made by GPTQ."""
    for budget, (_, plan) in plans.items():
        yield plan_job(tool, tool, _by_scheme(plan), seed, budget)


def largest_plans(
    subject: Subject, plans: Sequence[Plan], budgets: Sequence[float]
) -> dict[float, tuple[int, Plan]]:
    """Gives the bytes and the plan that is the largest, for every budget that one fits."""
    sized = [(_size(subject, plan), plan) for plan in plans]
    found = {}
    for budget in budgets:
        fitting = [one for one in sized if one[0] <= subject.ceiling(budget)]
        if fitting:
            found[budget] = max(fitting, key=lambda one: one[0])
    return found


def _size(subject: Subject, plan: Plan) -> int:
    return subject.layout.size(
        {layer: parse_scheme(name) for layer, name in plan.items() if name != UNQUANTISED}
    )


def _by_scheme(plan: Plan) -> Layers:
    found: dict[str, list[str]] = {}
    for layer, name in plan.items():
        if name != UNQUANTISED:
            found.setdefault(name, []).append(layer)
    return found
