"""The tables of the terminal: one a model, a line a budget; and the answers below."""

from __future__ import annotations

import statistics

from rich.console import Console
from rich.table import Table

from compression_methods import BY_HAND, RIVALS, TOOLS
from compression_results import Row
from compression_summary import Summary


def show(console: Console, summary: Summary, methods: list[str]) -> None:
    """Prints a table for every model, and the ratios."""
    for model in summary.models:
        console.print(_table(summary, model, methods))
    for method in methods:
        for name, families in RIVALS.items():
            found = summary.ratio(method, families)
            if found:
                console.print(
                    f"{method} over the best {name}: KL x {found['geometric_mean']} "
                    f"[{found['low']}, {found['high']}], {found['above_one']} of {found['cells']} above 1, "
                    f"worst {found['worst']['ratio']} ({found['worst']['model']} at {found['worst']['budget']:g} %, "
                    f"seed {found['worst']['seed']}, {found['worst']['best']})"
                )


def _table(summary: Summary, model: str, methods: list[str]) -> Table:
    original = summary.original(model)
    title = (
        model
        if original is None
        else f"{model}: {original.bytes:,} bytes, perplexity {original.perplexity:.4f}"
    )
    table = Table("budget", "method", "size %", "perplexity", "KL", "seconds", title=title)
    for budget in summary.budgets:
        first = True
        for method in [*methods, "best by hand", *TOOLS]:
            found = _rows(summary, model, budget, method)
            if found:
                table.add_row(f"{budget:g} %" if first else "", *_cells(method, found, original))
                first = False
        table.add_section()
    return table


def _rows(summary: Summary, model: str, budget: float, method: str) -> list[Row]:
    """Gives a method's rows at a budget, one a seed."""
    if method != "best by hand":
        return [row for row in summary.rows if (row.model, row.budget, row.method) == (model, budget, method)]
    seeds = dict.fromkeys(row.seed for row in summary.rows if row.model == model and row.seed is not None)
    best = [summary.best(model, budget, int(seed), BY_HAND) for seed in seeds if seed is not None]
    return [row for row in best if row is not None]


def _cells(method: str, found: list[Row], original: Row | None) -> tuple[str, ...]:
    """Gives medians over seeds, and the range of the divergence."""
    share = 0.0 if original is None else 100 * statistics.median(row.bytes for row in found) / original.bytes
    kl = sorted(row.kl for row in found)
    spread = "" if len(kl) == 1 else f" ({kl[0]:.5f}-{kl[-1]:.5f})"
    name = method if method != "best by hand" else f"by hand: {found[0].method}"
    return (
        name,
        f"{share:.2f}",
        f"{statistics.median(row.perplexity for row in found):.4f}",
        f"{statistics.median(kl):.5f}{spread}",
        f"{statistics.median(row.seconds for row in found):.1f}",
    )
