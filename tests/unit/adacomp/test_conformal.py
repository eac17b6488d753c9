"""The conformal thresholds: their promise on exchangeable data, and their edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.adacomp.conformal import NEVER, coverage_threshold, fewest_labels, recall_threshold

finite = st.floats(-50, 50)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    labels=st.integers(20, 80),
    target=st.sampled_from((0.7, 0.8, 0.9)),
    ties=st.booleans(),
)
def test_coverage_holds_on_exchangeable_data_whatever_its_distribution(seed, labels, target, ties):
    rng = np.random.default_rng(seed)
    scores = rng.standard_cauchy((2000, labels + 1)) * rng.uniform(0.1, 10)
    if ties:
        scores = scores.round()
    covered = np.mean([row[-1] >= coverage_threshold(row[:-1].tolist(), target) for row in scores])
    noise = 4 * math.sqrt(target * (1 - target) / len(scores))
    assert covered >= target - noise
    if not ties:
        assert covered <= target + 1 / (labels + 1) + noise


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), labels=st.integers(30, 80), target=st.sampled_from((0.6, 0.8)))
def test_mean_recall_holds_on_exchangeable_data(seed, labels, target):
    rng = np.random.default_rng(seed)
    recalls = []
    for _ in range(400):
        queries = [rng.normal(rng.normal(), 1, size=rng.integers(1, 4)) for _ in range(labels + 1)]
        threshold = recall_threshold(queries[:-1], target)
        recalls.append(np.mean(queries[-1] >= threshold))
    assert np.mean(recalls) >= target - 4 * np.std(recalls) / math.sqrt(len(recalls))


@settings(deadline=None)
@given(scores=st.lists(finite, max_size=60), target=st.floats(0.5, 0.99))
def test_a_higher_target_never_raises_the_threshold(scores, target):
    assert coverage_threshold(scores, min(target + 0.005, 0.999)) <= coverage_threshold(scores, target)


@pytest.mark.parametrize(("target", "fewest"), [(0.9, 9), (0.5, 1), (0.99, 99), (0.95, 19)])
def test_too_few_labels_promise_nothing(target, fewest):
    assert fewest_labels(target) == fewest
    assert coverage_threshold([1.0] * (fewest - 1), target) == NEVER
    assert coverage_threshold([1.0] * fewest, target) == 1.0


def test_passages_out_of_reach_lower_the_threshold_to_never():
    assert coverage_threshold([NEVER] * 3 + [1.0] * 17, 0.9) == NEVER
    assert recall_threshold([np.array([1.0]), np.array([NEVER])], 0.9) == NEVER
    assert recall_threshold([], 0.9) == NEVER


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1, 90, math.nan])
def test_a_target_outside_the_open_interval_is_refused(target):
    with pytest.raises(ValueError, match="over 0 and under 1"):
        coverage_threshold([1.0], target)
