"""The curves of a soak: memory of the workers, memory of the drafter, and throughput pair by pair."""

from __future__ import annotations

from pathlib import Path

from soak_memory import MemoryLog
from soak_servers import DRAFTING, PLAIN


def plot(path: Path, title: str, log: MemoryLog, ratios: list[float]) -> None:
    """Writes a PNG.

    Args:
        path: The file.
        title: Over the plot.
        log: The memory over time.
        ratios: Throughput with HSD over that without, a pair.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (workers, drafter, throughput) = plt.subplots(3, 1, figsize=(9, 10), layout="constrained")
    for name in (PLAIN, DRAFTING):
        hours, mebibytes = log.curve(name)
        workers.plot([60 * one for one in hours], mebibytes, label=name)
    workers.set(ylabel="resident memory of the worker, MiB", title=title)
    for name in ("store", "index"):
        hours, mebibytes = log.curve(name)
        drafter.plot([60 * one for one in hours], mebibytes, label=name)
    drafter.set(ylabel="held by the drafter, MiB", xlabel="minutes", ylim=(0, None))
    throughput.axhline(1.0, color="grey", lw=0.8)
    throughput.axhline(0.98, color="grey", lw=0.8, ls="--")
    throughput.plot(range(1, len(ratios) + 1), ratios, "o-", label="hsd / without")
    throughput.set(ylabel="throughput", xlabel="pair of phases")
    for axes in (workers, drafter, throughput):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
