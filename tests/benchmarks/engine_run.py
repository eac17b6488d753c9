"""Load the engines, run a cell with each of them, judge the outputs."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine_equality import judge
from engine_methods import EngineSetup, engine_arguments, why_not
from engine_plan import Cell, Prompt
from engine_pool import Pool, worker_environment
from engine_report import Ledger, Run
from hola_plugins.doctor.preload import preload_value


def usable_cpus(args: argparse.Namespace) -> list[int]:
    """CPUs an engine computes on."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[: args.threads or len(cpus)]


def start_engines(
    pool: Pool, args: argparse.Namespace, setup: EngineSetup, warm: list[Prompt], tell: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Load and warm up one engine a method; a method that cannot run is reported, never counted.

    Returns:
        For each method what its engine says of itself, or why it was skipped.
    """
    environment = worker_environment(
        usable_cpus(args), preload_value() if args.preload is None else args.preload
    )
    facts: dict[str, dict[str, Any]] = {}
    prompts = [prompt.ids for prompt in warm]
    for method in args.methods:
        if reason := why_not(method, setup):
            facts[method] = {"skipped": reason}
            tell(f"[yellow]{method} skipped[/]: {reason}")
            continue
        length = args.num_speculative_tokens[method]
        worker = pool.start(method, engine_arguments(method, length, setup), environment)
        for batch in args.batch:
            worker.run(prompts[:batch], min(args.tokens, 48), batch)
        facts[method] = {**worker.ready, "num_speculative_tokens": length if method != "none" else 0}
    if not pool.workers:
        raise ValueError(f"none of {', '.join(args.methods)} can run here: add none to --methods")
    return facts


def run_cell(
    pool: Pool, cell: Cell, order: list[str], tokens: int
) -> tuple[list[Run], list[list[int]] | None]:
    """Run one cell with every method.

    Returns:
        The runs and the outputs of none.
    """
    prompts = [prompt.ids for prompt in cell.prompts]
    none = pool.workers.get("none")
    results = {method: pool.workers[method].run(prompts, tokens, cell.batch) for method in order}
    outputs = {method: result.pop("outputs") for method, result in results.items()}
    reference = outputs.get("none")
    runs = []
    for method, result in results.items():
        result["tokens"] = sum(map(len, outputs[method]))
        verdict = None if none is None or reference is None else judge(outputs[method], reference, cell, none)
        runs.append(Run(method, cell, result, verdict))
    return runs, reference


def save_outputs(path: Path, cell: Cell, outputs: list[list[int]]) -> None:
    """Append prompt and output ids to a JSON lines file."""
    with path.open("a", encoding="utf-8") as file:
        for prompt, ids in zip(cell.prompts, outputs, strict=True):
            row = {"id": prompt.id, "category": prompt.category, "prompt_ids": prompt.ids, "output_ids": ids}
            file.write(json.dumps(row) + "\n")


def cpu_facts(ledger: Ledger, pool: Pool, method: str, cpus: int, since: float) -> dict[str, float]:
    """How much of the machine an engine got.

    Args:
        ledger: All runs.
        pool: The engines.
        method: The method.
        cpus: CPUs each engine computes on.
        since: CPU seconds of its process before the first run.

    Returns:
        Wall and CPU seconds of its runs, CPU seconds used between them (for `none` that includes the questions about
        ties; a stopped engine uses none), and the share of the
        CPUs it got: near 1 on a quiet machine, as the OpenMP threads spin between kernels.
    """
    runs = [run.result for run in ledger.runs if run.method == method]
    wall, cpu = (sum(result[key] for result in runs) for key in ("wall_s", "cpu_s"))
    idle = pool.workers[method].cpu_seconds() - since - cpu
    return {
        "busy_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "idle_cpu_s": round(max(idle, 0.0), 2),
        "cpu_share": round(cpu / wall / cpus, 3),
    }
