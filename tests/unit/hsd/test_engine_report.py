"""The ratios of `bench_engine.py`: each taken inside one round."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from engine_plan import MIXED, Cell
from engine_report import BETTER_LOOKUP, Ledger, Run

SPEEDS = {
    "none": [10.0, 20.0],
    "ngram": [20.0, 20.0],
    "suffix": [10.0, 40.0],
    "hsd": [30.0, 50.0],
}


def _ledger(*methods: str) -> Ledger:
    """The runs of two rounds of a workload and of the mix, where all are twice as fast."""
    ledger = Ledger(list(methods))
    for workload, factor in (("copy", 1), (MIXED, 2)):
        for turn in range(2):
            cell = Cell(workload, 8, turn, [])
            ledger.runs += [
                Run(method, cell, _result(factor * SPEEDS[method][turn]), None) for method in methods
            ]
    return ledger


def _result(speed: float) -> dict[str, object]:
    steps = dict.fromkeys(("chunks", "accepted", "drafts", "drafted"), 1)
    return {"tokens": speed, "wall_s": 1.0, "tpot_s": [0.1], "ttft_s": [0.1], "step_p50_s": 0.1} | steps


@pytest.mark.parametrize("workload", ["copy", MIXED])
def test_ratios_to_the_better_lookup_take_the_faster_of_the_same_round(workload: str) -> None:
    ratios = _ledger(*SPEEDS).summary()["ratios"][BETTER_LOOKUP]["8"][workload]
    assert ratios["hsd"]["rounds"] == [1.5, 1.25]
    assert ratios["suffix"]["rounds"] == [0.5, 1.0]


def test_ratios_to_one_method_are_its_own() -> None:
    assert _ledger(*SPEEDS).ratios("none")["8"]["copy"]["hsd"]["rounds"] == [3.0, 2.5]


def test_without_either_lookup_there_is_no_better_one() -> None:
    ledger = _ledger("none", "ngram", "hsd")
    assert ledger.summary()["ratios"] == {
        "none": ledger.ratios("none"),
        "empty": {},
        BETTER_LOOKUP: {},
    }
    assert f"vs {BETTER_LOOKUP}" not in _printed(ledger)


def test_the_table_shows_the_bases_that_were_run() -> None:
    shown = _printed(_ledger(*SPEEDS))
    assert f"vs {BETTER_LOOKUP}" in shown
    assert "1.38 (1.25-1.50)" in shown
    assert "vs empty" not in shown


def _printed(ledger: Ledger) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(ledger.table(8))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
