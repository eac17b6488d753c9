"""The report of a draft for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from hola_plugins.lobi.serve_command import serve_command
from hola_plugins.page.figures import in_bytes


def render_draft(report: Mapping[str, Any]) -> Group:
    """Renders what a draft is beside its target, and what to expect of it.

    Args:
        report: Its report, as draft.json holds it.
    """
    return Group(_sizes(report), _expectations(report))


def draft_command(report: Mapping[str, Any], folder: Path) -> str:
    """Gives the command that serves the target in vLLM with this draft.

    Args:
        report: The draft's report.
        folder: Its checkpoint.
    """
    length = report["payoff"]["best_length"]
    setting = {"method": "draft_model", "model": str(folder), "num_speculative_tokens": length}
    return serve_command(report["model"], setting)


def _sizes(report: Mapping[str, Any]) -> Table:
    """Renders sizes and costs."""
    target, draft, cost = report["target"], report["draft"], report["cost"]
    table = _table("", "target", "draft")
    table.caption = f"ms: {cost['timed']}"
    for name, key in (("parameters", "parameters"), ("of these in layers", "decoder_parameters")):
        table.add_row(name, f"{target[key]:,}", f"{draft[key]:,} ({draft[key] / target[key]:.1%})")
    table.add_row("layers", str(target["layers"]), str(draft["layers"]))
    table.add_row("weights", in_bytes(target["bytes"]), in_bytes(draft["bytes"]))
    for name, key in (("ms a pass of 1 token", "one"), ("ms a pass of 8 tokens", "many")):
        table.add_row(name, f"{1e3 * cost['target'][key]:.2f}", f"{1e3 * cost['draft'][key]:.2f}")
    table.add_row("acceptance rate a token", "", f"{report['acceptance']['rate']:.1%}")
    table.add_row("before training", "", f"{report['untrained']['rate']:.1%}")
    return table


def _expectations(report: Mapping[str, Any]) -> Table:
    """Renders acceptance and speed-up by draft length."""
    found, speedups = report["acceptance"], report["payoff"]["speedups"]
    table = _table("K", "tokens a target step", "expected speed-up")
    table.caption = f"greedy, on {found['tokens']:,} tokens of held-out answers"
    for length, tokens in found["lengths"].items():
        table.add_row(str(length), f"{tokens:.2f}", f"{speedups[length]:.2f}x")
    return table


def _table(first: str, *others: str) -> Table:
    """Makes a table of names and numbers."""
    table = Table()
    table.add_column(first, justify="left")
    for column in others:
        table.add_column(column, justify="right")
    return table
