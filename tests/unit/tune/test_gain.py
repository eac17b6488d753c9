"""Whether the choice as a whole is better than the baseline."""

from __future__ import annotations

import pytest

from hola_plugins.tune.gain import missing_gain
from hola_plugins.tune.limits import Figures, Limit

RECALL = Limit("recall", "floor", 0.8)
BASELINE = Figures(recall=0.9, checkpoint_mb=100.0)


@pytest.mark.parametrize(
    ("minimise", "speedup", "megabytes", "words"),
    [
        ("latency", 1.2, 100.0, None),
        ("latency", 1.0, 60.0, "it is 1 times as fast"),
        ("latency", 0.773, 100.0, "it is 0.773 times as fast"),
        ("memory", 0.9, 60.0, None),
        ("memory", 1.1, 120.0, "its checkpoint has 120 MB, the baseline's 100"),
        ("memory", 0.9, 100.0, "it is 0.9 times as fast"),
    ],
)
def test_the_choice_must_be_better_in_what_is_minimised(minimise, speedup, megabytes, words):
    tuned = Figures(recall=0.9, checkpoint_mb=megabytes, speedup=speedup)
    found = missing_gain(minimise, [RECALL], BASELINE, tuned)
    assert found is None if words is None else found.endswith(f"which keeps all limits too: {words}")


def test_a_baseline_that_breaks_a_limit_is_left_at_any_cost():
    low = BASELINE.model_copy(update={"recall": 0.5})
    assert missing_gain("latency", [RECALL], low, Figures(recall=0.9, speedup=0.5)) is None
