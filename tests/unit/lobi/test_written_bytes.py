"""A checkpoint that is larger than its budget allows is not kept."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("scipy")
pytest.importorskip("peft")

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.report import check_written


@pytest.mark.parametrize("allowed", [100, 101, None])
def test_what_the_budget_allows_is_kept(allowed):
    check_written({"model": "Model", "allowed": {"bytes": allowed}, "predicted": {"bytes": 99}}, 100)


def test_a_byte_more_is_refused_with_what_was_predicted():
    report = {"model": "Model", "allowed": {"bytes": 100}, "predicted": {"bytes": 99}}
    with pytest.raises(
        LoBiError, match="Model has 101 bytes where the budget allows 100 and 99 were predicted"
    ):
        check_written(report, 101)
