"""From single runs to figures: medians over rounds, ratios paired inside a round, the table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil, inf
from typing import Any

from rich.table import Table

from engine_equality import Verdict
from engine_plan import MIXED, Cell

LOOKUPS = ("ngram", "suffix")
BETTER_LOOKUP = "ngram_or_suffix"
"""Base of the ratios: the faster of the two in each round."""

BASES = ("none", "empty", BETTER_LOOKUP)


@dataclass(frozen=True, slots=True)
class Run:
    """One method's run of one cell.

    Attributes:
        method: The method.
        cell: What was run.
        result: The worker's answer, without the outputs.
        verdict: How its outputs compare with those of `none`; None without a reference.
    """

    method: str
    cell: Cell
    result: dict[str, Any]
    verdict: Verdict | None

    @property
    def tokens_per_second(self) -> float:
        """Output tokens of all requests over the wall time, prefill included."""
        return float(self.result["tokens"] / self.result["wall_s"])


def percentile(values: Iterable[float], share: float) -> float:
    """Nearest-rank percentile, `share` in 0..1."""
    ordered = sorted(values)
    return ordered[max(ceil(share * len(ordered)) - 1, 0)]


def spread(values: list[float]) -> dict[str, Any]:
    """Median, least and largest of a list, and the list."""
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
        "rounds": [round(value, 4) for value in values],
    }


def _methods_of(base: str) -> tuple[str, ...]:
    """Methods of which a base is the fastest."""
    return LOOKUPS if base == BETTER_LOOKUP else (base,)


@dataclass(slots=True)
class Ledger:
    """All runs of a benchmark.

    Attributes:
        methods: Methods in the order of the table.
        runs: Runs so far.
    """

    methods: list[str]
    runs: list[Run] = field(default_factory=list)

    def _of(self, method: str, batch: int, workload: str) -> list[Run]:
        return [
            run
            for run in self.runs
            if run.method == method and run.cell.batch == batch and run.cell.workload == workload
        ]

    def _speeds(self, base: str, batch: int, workload: str) -> list[float]:
        """Tokens/s of a method or base by round."""
        by_method = [
            [run.tokens_per_second for run in self._of(method, batch, workload)]
            for method in _methods_of(base)
        ]
        return [max(speeds) for speeds in zip(*by_method, strict=True)]

    def batches(self) -> list[int]:
        """Batch sizes, ascending."""
        return sorted({run.cell.batch for run in self.runs})

    def workloads(self) -> list[str]:
        """Workloads in running order."""
        return list(dict.fromkeys(run.cell.workload for run in self.runs))

    def figures(self, method: str, batch: int, workload: str) -> dict[str, Any]:
        """Figures of a method on a workload at a batch."""
        runs = self._of(method, batch, workload)
        results = [run.result for run in runs]
        total: Callable[[str], float] = lambda key: sum(result[key] for result in results)  # noqa: E731
        tpots = [value for result in results for value in result["tpot_s"]]
        ttfts = [value for result in results for value in result["ttft_s"]]
        verdicts = [run.verdict for run in runs if run.verdict is not None]
        return {
            "tokens_per_second": round(statistics.median(run.tokens_per_second for run in runs), 2),
            "ttft_ms": round(1_000 * statistics.median(ttfts), 2),
            "tpot_p50_ms": round(1_000 * statistics.median(tpots), 3),
            "tpot_p99_ms": round(1_000 * percentile(tpots, 0.99), 3),
            "step_p50_ms": round(1_000 * statistics.median(result["step_p50_s"] for result in results), 2),
            "tokens_per_request_step": round(total("tokens") / total("chunks"), 3),
            "mean_acceptance_length": round(1 + total("accepted") / total("drafts"), 3)
            if total("drafts")
            else None,
            "acceptance_rate": round(total("accepted") / total("drafted"), 3) if total("drafted") else None,
            "drafts": int(total("drafts")),
            "drafted": int(total("drafted")),
            "accepted": int(total("accepted")),
            "rows": sum(len(run.cell.prompts) for run in runs),
            "rows_differing": sum(verdict.differing for verdict in verdicts) if verdicts else None,
            "rows_tied": sum(verdict.ties for verdict in verdicts) if verdicts else None,
        }

    def ratios(self, base: str) -> dict[str, Any]:
        """Each method's tokens/s over the base's in the same round: batch, workload, method; empty where it was not run."""
        if not set(_methods_of(base)) <= set(self.methods):
            return {}
        return {
            str(batch): {
                workload: {
                    method: spread(
                        [
                            mine / theirs
                            for mine, theirs in zip(
                                self._speeds(method, batch, workload),
                                self._speeds(base, batch, workload),
                                strict=True,
                            )
                        ]
                    )
                    for method in self.methods
                }
                for workload in self.workloads()
            }
            for batch in self.batches()
        }

    def summary(self) -> dict[str, Any]:
        """The figures of the JSON line."""
        batches = {
            str(b): {w: {m: self.figures(m, b, w) for m in self.methods} for w in self.workloads()}
            for b in self.batches()
        }
        least = batches[str(self.batches()[0])]
        speeds = {w: {m: f["tokens_per_second"] for m, f in by.items()} for w, by in least.items()}
        verdicts = {m: [r.verdict for r in self.runs if r.method == m and r.verdict] for m in self.methods}
        every = [verdict for found in verdicts.values() for verdict in found]
        return {
            "workloads": {name: by for name, by in speeds.items() if name != MIXED},
            "mixed": speeds.get(MIXED, {}),
            "batch": self.batches()[0],
            "equal": not any(v.differing for v in every) if every else None,
            "equal_but_ties": not any(v.differing > v.ties for v in every) if every else None,
            "equality": {
                method: {
                    "rows_differing": sum(v.differing for v in found),
                    "rows_tied": sum(v.ties for v in found),
                    "largest_gap": round(
                        max((v.largest_gap for v in found if v.largest_gap < inf), default=0.0), 4
                    ),
                }
                for method, found in verdicts.items()
            },
            "ratios": {base: self.ratios(base) for base in BASES},
            "batches": batches,
        }

    def table(self, batch: int) -> Table:
        """The table of one batch size."""
        table = Table(title=f"batch {batch}: {batch} request(s) in flight, medians over rounds")
        for name in ("workload", "method"):
            table.add_column(name)
        ratios = {base: self.ratios(base)[str(batch)] for base in BASES if self.ratios(base)}
        names = (
            "tokens/s",
            *(f"vs {base}" for base in ratios),
            "TTFT ms",
            "TPOT p50",
            "p99",
            "accept. length",
            "tok/step",
            "differ/tied",
        )
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        for workload in self.workloads():
            for method in self.methods:
                table.add_row(
                    *self._cells(workload, method, batch, ratios), end_section=method == self.methods[-1]
                )
        return table

    def _cells(self, workload: str, method: str, batch: int, ratios: dict[str, Any]) -> list[str]:
        figures = self.figures(method, batch, workload)
        paired = [by[workload][method] for by in ratios.values()]
        length, unequal, tied = (
            figures[k] for k in ("mean_acceptance_length", "rows_differing", "rows_tied")
        )
        return [
            workload if method == self.methods[0] else "",
            method,
            f"{figures['tokens_per_second']:.1f}",
            *(f"{ratio['median']:.2f} ({ratio['min']:.2f}-{ratio['max']:.2f})" for ratio in paired),
            f"{figures['ttft_ms']:.0f}",
            f"{figures['tpot_p50_ms']:.1f}",
            f"{figures['tpot_p99_ms']:.1f}",
            "-" if length is None else f"{length:.2f}",
            f"{figures['tokens_per_request_step']:.2f}",
            "?" if unequal is None else f"{unequal}/{tied} of {figures['rows']}",
        ]
