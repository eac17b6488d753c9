"""What is said of speed before a model is compressed for a CPU."""

from __future__ import annotations

import pytest

from hola_plugins.lobi.scheme import DEFAULT_CHOICES
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
