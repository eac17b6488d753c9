"""The cost curve: recall at milliseconds, one line a kind of index and size."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any


def plot(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes a PNG of the bare indexes' rows, which come ordered by size and kind."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    bare = [row for row in rows if "p50_ms" in row]
    for (count, kind), group in groupby(bare, lambda row: (row["vectors"], row["kind"])):
        points = [*group]
        axes.plot(
            [point["p50_ms"] for point in points],
            [point["recall_at_10"] for point in points],
            "o-",
            label=f"{kind}, {count:,} vectors",
        )
    axes.set(xscale="log", xlabel="median milliseconds a query", ylabel="recall of the ten nearest")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)
