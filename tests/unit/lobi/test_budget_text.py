"""Budgets in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hola_plugins.lobi.budget_text import parse_budget, parse_share
from hola_plugins.lobi.config import LoBiError, load_config


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("45%", {"target_ratio": 0.45}),
        (" 62.5 % ", {"target_ratio": 0.625}),
        ("1.2GB", {"target_bytes": 1_200_000_000}),
        ("900kB", {"target_bytes": 900_000}),
        ("900KB", {"target_bytes": 900_000}),
        ("1.5MiB", {"target_bytes": 1_572_864}),
        ("800000", {"target_bytes": 800_000}),
        ("800 bytes", {"target_bytes": 800}),
        ("4.5bit", {"target_bits": 4.5}),
        ("4.5 bits", {"target_bits": 4.5}),
        ("4b", {"target_bits": 4.0}),
    ],
)
def test_a_budget_is_a_setting(text: str, setting: dict[str, float]) -> None:
    assert parse_budget(text) == setting
    load_config(setting)


@given(st.integers(1, 10**6), st.sampled_from(["kB", "MB", "GB"]))
def test_units_are_exact(thousandths: int, unit: str) -> None:
    factor = {"kB": 1, "MB": 10**3, "GB": 10**6}[unit]
    assert parse_budget(f"{thousandths / 1000:.3f}{unit}") == {"target_bytes": thousandths * factor}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not understood"),
        ("half", "not understood"),
        ("-4bit", "not understood"),
        ("45", "no unit"),
        ("0.45", "no unit"),
        ("3 parsecs", "unknown unit 'parsecs'"),
        ("140%", "from 0% to 100%"),
        ("0%", "is nothing"),
        ("0GB", "is nothing"),
        ("64bit", "at most 32 bits"),
        ("800000b", "at most 32 bits a weight; bytes: 800000bytes"),
    ],
)
def test_what_is_no_budget_is_refused_with_what_is(text: str, words: str) -> None:
    with pytest.raises(LoBiError, match=words):
        parse_budget(text)


@pytest.mark.parametrize(("text", "share"), [("25%", 0.25), ("0.25", 0.25), ("0", 0.0), ("100 %", 1.0)])
def test_a_share(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["a lot", "", "NaN", "2", "-1%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(LoBiError, match="share"):
        parse_share(text)
