"""The order of a run: for every seed Lo-Bi, what people do by hand, and other tools."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import torch
from rich.progress import Progress

from compression_autoround import autoround_plans, whole_jobs
from compression_jobs import Job, awq_jobs, lobi_jobs, mixture_jobs, uniform_jobs
from compression_methods import VARIANTS
from compression_peers import Plan, bits_left, largest_plans, modelopt_plans, peer_jobs
from compression_results import Results
from compression_run import FAILURES, Clock, Runner, reason_of
from compression_subject import Subject
from hola_plugins.lobi.scheme import DEFAULT_CHOICES

_Ask = Callable[[tuple[float, ...]], list[Plan]]
"""Takes budgets in percent, gives a tool's plans."""

_Make = Callable[[Mapping[float, tuple[int, Plan]], int], Iterable[Job]]
"""Takes the plans to make, with their bytes, by budget, and the seed; gives the jobs."""


def run_model(
    subject: Subject, args: argparse.Namespace, results: Results, clock: Clock, work: Path, progress: Progress
) -> None:
    """Runs everything that is asked for and missing, of one model.

    Args:
        subject: The model.
        args: Options of the command line.
        results: Receives the rows.
        clock: Says when to stop.
        work: Folder for what is written on the way.
        progress: Shows how far it is.
    """
    runner = Runner(subject, results, work, clock, float32_products=args.float32_products)
    runner.original()
    for seed in args.seeds:
        rows = subject.calibration(seed)
        for method in VARIANTS:
            if method in args.methods:
                cache = work / "scores" / f"{subject.name}-{seed}"
                runner.run(lobi_jobs(subject, method, args.budgets, seed, cache), rows, progress)
        if "uniform" in args.methods:
            runner.run(uniform_jobs(subject, args.schemes, seed), rows, progress)
        if "mixtures" in args.methods:
            runner.run(mixture_jobs(subject, args.schemes, args.budgets, seed), rows, progress)
        if "awq" in args.methods:
            runner.run(awq_jobs(subject, args.schemes, seed, args.awq_grid), rows, progress)
        for tool, (ask, make) in _tools(subject, args, rows, work).items():
            missing = runner.needed(tool, args.budgets, seed) if tool in args.methods else []
            if missing and clock.over():
                clock.left_out += len(missing)
            elif missing:
                found = _ask(runner, subject, tool, ask, missing, seed)
                runner.run(make(found, seed), rows, progress)


def _tools(
    subject: Subject, args: argparse.Namespace, rows: torch.Tensor, work: Path
) -> dict[str, tuple[_Ask, _Make]]:
    """Gives how each tool is asked for its plans, over the schemes that Lo-Bi chooses from, and how they are made."""
    schemes = list(DEFAULT_CHOICES[subject.device])

    @cache
    def autoround(budgets: tuple[float, ...]) -> list[Plan]:
        return autoround_plans(subject, schemes, bits_left(subject, budgets), rows, work)

    def modelopt(budgets: tuple[float, ...]) -> list[Plan]:
        if args.modelopt_python is None:
            raise ValueError("give --modelopt-python, the Python of an environment with nvidia-modelopt")
        return modelopt_plans(subject, schemes, bits_left(subject, budgets), rows, work, args.modelopt_python)

    return {
        "autoround": (autoround, partial(peer_jobs, "autoround")),
        "autoround_whole": (autoround, partial(whole_jobs, subject, rows)),
        "modelopt": (modelopt, partial(peer_jobs, "modelopt")),
    }


def _ask(
    runner: Runner, subject: Subject, tool: str, ask: _Ask, budgets: Sequence[float], seed: int
) -> dict[float, tuple[int, Plan]]:
    """Asks a tool for its plans and gives the largest that fits each budget; notes why a budget has none."""
    try:
        plans = ask(tuple(budgets))
    except FAILURES as error:
        runner.skip(tool, budgets, seed, reason_of(error))
        return {}
    found = largest_plans(subject, plans, budgets)
    runner.skip(tool, set(budgets) - set(found), seed, "none of its plans fits the budget")
    return found
