"""The curve: KL divergence at bytes, one panel a model, a line for every Lo-Bi variant, points for the others."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from compression_results import Row
from compression_summary import Summary

_MARKERS = {
    "rtn": "x",
    "gptq": "s",
    "awq": "d",
    "mixture": "v",
    "autoround": "P",
    "autoround_whole": "X",
    "modelopt": "*",
}


def plot(path: Path, summary: Summary) -> None:
    """Writes a PNG; of several seeds the median is drawn."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows, models = summary.rows, summary.models
    figure, panels = plt.subplots(
        1, len(models), figsize=(1.5 + 4.6 * len(models), 4.8), squeeze=False, layout="constrained"
    )
    for axes, model in zip(panels[0], models, strict=True):
        original = summary.original(model)
        share = 100 / original.bytes if original else 1.0
        medians = _medians(row for row in rows if row.model == model and row.family != "bf16")
        for method in dict.fromkeys(row.method for row in rows if row.family == "lobi"):
            line = sorted((size * share, kl) for (_, name, size), kl in medians.items() if name == method)
            if line:
                axes.plot(*zip(*line, strict=True), "o-", ms=4, label=method)
        for family, marker in _MARKERS.items():
            points = [(size * share, kl) for (kind, _, size), kl in medians.items() if kind == family]
            if points:
                axes.scatter(*zip(*points, strict=True), marker=marker, s=34, alpha=0.75, label=family)
        axes.set(yscale="log", xlabel="size, % of bf16", title=model)
        axes.grid(alpha=0.3, which="both")
    panels[0][0].set_ylabel("KL divergence from the original, nats a token")
    handles = {
        label: handle
        for axes in panels[0]
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), fontsize=8, loc="outside right upper")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _medians(rows: Iterable[Row]) -> dict[tuple[str, str, float], float]:
    """Gives the median divergence by family, method and median bytes at one budget."""
    by_point: dict[tuple[str, str, float | None], list[Row]] = defaultdict(list)
    for row in rows:
        by_point[row.family, row.method, row.budget].append(row)
    return {
        (family, method, statistics.median(row.bytes for row in found)): statistics.median(
            row.kl for row in found
        )
        for (family, method, _), found in by_point.items()
    }
