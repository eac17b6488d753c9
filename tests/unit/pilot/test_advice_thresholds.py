"""Where a rule of the recommendation begins to count: failures as before, and weights of almost the same size."""

import pytest

pytest.importorskip("scipy")

from pilot_results import accuracy, requests, results, stage

from hola_plugins.pilot.report.analysis import analyse
from hola_plugins.pilot.results import Memory

GOOD = (accuracy(124),)


def judged(before, name, *, factor, **parts):
    """The advice on a stage of some latency after another."""
    after = stage(name, requests=requests(factor, seed=1), accuracy=GOOD, **parts)
    return analyse(results(stage(accuracy=GOOD, **before), after)).advice[0]


@pytest.mark.parametrize(
    ("before", "after", "verdict"), [(8, 8, "switch on"), (8, 7, "switch on"), (8, 9, "leave off")]
)
def test_failures_count_where_they_are_a_larger_share_than_before(before, after, verdict):
    advice = judged({"failed_requests": before}, "hsd", factor=0.7, failed_requests=after)
    assert advice.verdict == verdict
    assert any("requests got no answer" in reason for reason in advice.reasons) == (verdict == "leave off")


@pytest.mark.parametrize(("weights", "gain"), [(990, False), (951, False), (949, True)])
def test_weights_count_as_smaller_from_five_per_cent_on(weights, gain):
    memory = {"memory": Memory(weights=1000)}
    advice = judged(memory, "lobi", factor=1.0, memory=Memory(weights=weights))
    assert ("weights 5 % smaller" in advice.reasons) == gain
    assert (advice.verdict == "switch on") == gain


@pytest.mark.parametrize(("weights", "verdict"), [(1010, "switch on"), (1049, "switch on"), (1051, "weigh")])
def test_weights_count_as_larger_from_five_per_cent_on(weights, verdict):
    memory = {"memory": Memory(weights=1000)}
    assert judged(memory, "hsd", factor=0.7, memory=Memory(weights=weights)).verdict == verdict
