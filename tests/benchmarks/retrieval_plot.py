"""The curve: recall at mean tokens, one point a policy, a line for the fixed depths."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def plot(
    path: Path, title: str, curves: dict[str, list[dict[str, float]]], points: list[dict[str, Any]]
) -> None:
    """Writes a PNG.

    Args:
        path: The file.
        title: Over the plot.
        curves: By name, the means along a line (fixed depths, our targets).
        points: Single policies with their `name`.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 5.2), layout="constrained")
    for name, means in curves.items():
        axes.plot([m["tokens"] for m in means], [m["recall"] for m in means], "o-", ms=3, label=name)
    markers = iter("s^vDPX*<>phH8d" * 4)
    on_a_line = ("dense k=", "fused k=", "adacomp ", "tuned fixed")
    for point in (one for one in points if not one["name"].startswith(on_a_line)):
        axes.plot(point["tokens"], point["recall"], next(markers), ms=7, label=point["name"])
    axes.set(xscale="log", xlabel="mean tokens a query", ylabel="recall", title=title)
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right upper")
    figure.savefig(path, dpi=130)
    plt.close(figure)
