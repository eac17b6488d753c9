"""Schemes on their target device: the shapes that run, the bits that are stored, what is said of speed."""

from __future__ import annotations

import pytest

from hola_plugins.lobi.scheme import DEFAULT_CHOICES, parse_scheme
from hola_plugins.lobi.target_device import speed_hint


@pytest.mark.parametrize(
    ("device", "schemes", "words"),
    [
        ("cpu", DEFAULT_CHOICES["cpu"], "--choices W8A8,BF16"),
        ("cpu_avx2", DEFAULT_CHOICES["cpu_avx2"], "less memory, not more speed"),
        ("cpu", ["W8A8", "BF16"], None),
        ("cuda", DEFAULT_CHOICES["cuda"], None),
    ],
)
def test_the_hint_is_for_choices_that_are_slow_on_a_cpu(device, schemes, words):
    hint = speed_hint(device, schemes)
    assert hint is None if words is None else words in hint


@pytest.mark.parametrize(
    ("name", "rows", "columns", "device", "fits"),
    [
        ("W4A16_CHANNEL", 48, 128, "cpu", False),
        ("W4A16_CHANNEL", 96, 48, "cpu", False),
        ("W4A16_CHANNEL", 96, 128, "cpu", True),
        ("W4A16_CHANNEL", 96, 128, "cuda", False),
        ("W4A16_CHANNEL", 64, 192, "cuda", False),
        ("W4A16_CHANNEL", 64, 128, "cuda", True),
        ("W4A16_G64", 64, 96, "cpu", False),
        ("W8A8", 48, 120, "cpu", True),
        ("W8A8", 48, 120, "cuda", True),
    ],
)
def test_packed_weights_run_in_whole_steps_and_groups_and_others_in_any_shape(
    name, rows, columns, device, fits
):
    assert parse_scheme(name).fits(rows, columns, device) == fits


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        ("W4A16_CHANNEL", 4),
        ("W4A16", 4.125),
        ("W4A16_G64", 4.25),
        ("W4A16_G32", 4.5),
        ("W8A8", 8),
        ("W8A16", 8.125),
        ("BF16", 16),
    ],
)
def test_a_stored_weight_takes_its_share_of_a_groups_scale(name, bits):
    assert parse_scheme(name).stored_bits == bits
