"""A checkpoint that is larger than its budget allows, or that says nothing, is not kept."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("scipy")
pytest.importorskip("peft")

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.report import check_numbers, check_written


def report(allowed, others=()):
    return {
        "model": "Model",
        "allowed": {"bytes": allowed},
        "predicted": {"bytes": 99},
        "other_modifiers": others,
    }


@pytest.mark.parametrize("allowed", [100, 101, None])
def test_what_the_budget_allows_is_kept(allowed):
    check_written(report(allowed), 100)


def test_a_byte_more_is_refused_with_what_was_predicted():
    words = "Model has 101 bytes where the budget allows 100 and 99 were predicted, .* report the model"
    with pytest.raises(LoBiError, match=words):
        check_written(report(100), 101)
    with pytest.raises(LoBiError, match=r"SpinQuantModifier of the recipe .* budget smaller by as much"):
        check_written(report(100, ["SpinQuantModifier"]), 101)


def test_a_model_that_says_little_is_kept():
    check_numbers({"model": "Model", "measured": {"kl": 40.0}})


@pytest.mark.parametrize("kl", [math.inf, math.nan])
def test_a_model_that_says_nothing_is_refused(kl):
    with pytest.raises(LoBiError, match=r"logits of Model are no numbers .* give the model in bfloat16"):
        check_numbers({"model": "Model", "measured": {"kl": kl}})
