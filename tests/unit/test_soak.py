"""The verdict of the soak: what cannot be told from a failure is no pass."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("scipy")

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import soak


def result(**changed: Any) -> dict[str, Any]:
    """Gives a soak in which all holds, but for what is changed."""
    flat = {"slope": 0.0, "low": -1.0, "high": 1.0}
    return {
        "answers": {"failed_on_one_side": [], "differences": []},
        "memory": {soak.PLAIN: flat, soak.DRAFTING: flat, "index": flat} | changed.get("memory", {}),
        "pairs": {"answered_otherwise": 0, "wall": changed.get("wall", {"low": 1.1, "each": [1.1, 1.2]})},
        "drafter": {"errors": 0, "store": {"tokens": 1, "capacity": 2}},
    }


@pytest.mark.parametrize(
    ("check", "changed"),
    [
        ("memory flat", {"memory": {soak.DRAFTING: {"low": -50.0, "high": 50.0}}}),
        ("memory flat", {"memory": {soak.PLAIN: {"low": -50.0, "high": 50.0}}}),
        ("index flat", {"memory": {"index": {"low": -9.0, "high": 9.0}}}),
        ("throughput at least 0.98", {"wall": {"mean": 1.1, "low": 0.9, "each": [1.0, 1.2]}}),
        ("throughput at least 0.98", {"wall": {"mean": 1.1, "low": 1.1, "each": [1.1]}}),
        ("throughput at least 0.98", {"wall": {"mean": 0.0, "each": []}}),
    ],
)
def test_an_interval_that_reaches_the_bound_fails_its_check_alone(
    check: str, changed: dict[str, Any]
) -> None:
    assert all(soak.verdict(result()).values())
    assert [name for name, holds in soak.verdict(result(**changed)).items() if not holds] == [check]
