"""Draft lengths, step times, the breaker and the gate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hola_plugins.hsd.breaker import CircuitBreaker
from hola_plugins.hsd.entropy_gate import ALTERNATIVES, entropy, sure_probability
from hola_plugins.hsd.goodput import cut_drafts
from hola_plugins.hsd.level import DRAFTED, SLOT, STATE_FIELDS
from hola_plugins.hsd.step_time import StepTimeCurve


@settings(max_examples=100, deadline=None)
@given(
    chances=st.lists(st.lists(st.floats(0.05, 0.99), min_size=0, max_size=5), min_size=1, max_size=4),
    slope=st.floats(0.0, 0.6),
)
def test_cut_reaches_the_best_goodput(chances: list[list[float]], slope: float) -> None:
    rows = len(chances)
    state = np.zeros((rows, STATE_FIELDS), dtype=np.int32)
    chance = np.zeros((rows, 6), dtype=np.float32)
    for row, values in enumerate(chances):
        state[row, SLOT], state[row, DRAFTED] = row, len(values)
        chance[row, : len(values)] = values
    time = 1.0 + slope * np.arange(64.0)
    sent = np.zeros(rows, dtype=np.int32)
    cut_drafts(state, chance, time, rows, rows, 0.0, sent)

    def goodput(lengths: list[int]) -> float:
        gain = sum(float(np.cumprod(chance[row, :length]).sum()) for row, length in enumerate(lengths))
        return (rows + gain) / time[rows + sum(lengths)]

    survivals = sorted(
        {float(s) for row in range(rows) for s in np.cumprod(chance[row, : len(chances[row])])}
    )
    best = max(
        goodput([int((np.cumprod(chance[row, : len(chances[row])]) >= floor).sum()) for row in range(rows)])
        for floor in [*survivals, 2.0]
    )
    assert goodput(sent.tolist()) >= 0.97 * best


@pytest.mark.parametrize(("least_gain", "lengths"), [(0.0, [2, 1]), (0.5, [2, 1]), (0.6, [0, 0])])
def test_drafts_that_promise_too_little_are_not_sent(least_gain: float, lengths: list[int]) -> None:
    state = np.zeros((2, STATE_FIELDS), dtype=np.int32)
    state[:, SLOT], state[:, DRAFTED] = (0, 1), (2, 1)
    chance = np.full((2, 2), 0.8, dtype=np.float32)
    time = 1.0 + 0.15 * np.arange(8.0)
    sent = np.zeros(2, dtype=np.int32)
    threshold, goodput, _ = cut_drafts(state, chance, time, 2, 2, least_gain, sent)
    assert sent.tolist() == lengths
    assert goodput == pytest.approx((2 + 0.8 * 2 + 0.64) / time[5] if any(lengths) else 2 / time[2])
    assert (threshold == 2.0) is (lengths == [0, 0])


def test_step_time_curve_learns_and_stays_monotone() -> None:
    curve = StepTimeCurve(128)
    rng = np.random.default_rng(0)
    for _ in range(400):
        tokens = int(rng.choice([4, 8, 16, 36]))
        curve.observe(4, tokens, 0.010 * (1 + tokens / 20) * rng.uniform(0.9, 1.1))
    table = curve.table(4)
    assert (np.diff(table) >= 0).all()
    assert table[36] / table[4] == pytest.approx((1 + 36 / 20) / (1 + 4 / 20), rel=0.15)
    assert set(curve.milliseconds(4)) >= {"4", "8"}


@pytest.mark.parametrize(("outliers", "noise"), [(0.0, 0.2), (0.01, 0.05)])
def test_noise_moves_neither_the_curve_nor_its_drift_in_the_long_run(outliers: float, noise: float) -> None:
    curve = StepTimeCurve(64)
    rng = np.random.default_rng(1)
    for _ in range(60_000):
        tokens = int(rng.choice([1, 9]))
        stray = 5.0 if rng.random() < outliers else 1.0
        curve.observe(1, tokens, 0.02 * (1 + 0.02 * tokens) * stray * max(0.2, 1 + noise * rng.normal()))
    mean = 1 + 4 * outliers
    assert curve.seconds(1, 1) == pytest.approx(0.02 * 1.02 * mean, rel=0.2)
    assert curve.seconds(1, 9) == pytest.approx(0.02 * 1.18 * mean, rel=0.2)
    assert 0.5 < curve.table(1)[1] / 0.02 < 2.0


def test_a_slower_machine_moves_all_points_of_a_curve() -> None:
    curve = StepTimeCurve(64)
    for _ in range(200):
        for tokens in (1, 4):
            curve.observe(1, tokens, 0.02)
    for _ in range(600):
        curve.observe(1, 4, 0.04)
    assert curve.seconds(1, 4) == pytest.approx(0.04, rel=0.05)
    assert curve.seconds(1, 1) > 0.022


def test_a_stray_measurement_does_not_move_the_curve_far() -> None:
    curve = StepTimeCurve(64)
    for _ in range(50):
        curve.observe(1, 1, 0.02)
    assert not curve.observe(1, 1, 30.0)
    assert curve.observe(1, 1, 0.03)
    assert curve.table(1)[1] < 0.03


def test_a_first_step_that_had_to_wait_does_not_count() -> None:
    curve = StepTimeCurve(64)
    for seconds in (3.0, 0.02, 0.5, 0.02):
        curve.observe(1, 1, seconds)
    assert curve.seconds(1, 1) == pytest.approx(0.02)


def test_breaker_opens_probes_and_closes() -> None:
    breaker = CircuitBreaker(0.98)
    for _ in range(60):
        breaker.observe(0.8, 1.0)
    assert breaker.state == "open"
    assert breaker.trips >= 1
    while not breaker.allows():
        pass
    assert breaker.state == "probing"
    for _ in range(40):
        breaker.observe(1.5, 1.0)
    assert breaker.state == "closed"
    assert breaker.allows()


def test_each_failed_probe_doubles_the_pause() -> None:
    breaker = CircuitBreaker(0.98)
    pauses = []
    for _ in range(3):
        while breaker.state != "open":
            breaker.observe(0.5, 1.0)
        pause = 0
        while not breaker.allows():
            pause += 1
        pauses.append(pause)
    assert pauses[1] > 1.5 * pauses[0]
    assert pauses[2] > 1.5 * pauses[1]


@given(tau=st.floats(0.01, math.log(ALTERNATIVES + 1) - 0.01))
def test_gate_probability_has_the_entropy_asked_for(tau: float) -> None:
    assert entropy(sure_probability(tau)) == pytest.approx(tau, abs=0.01)


def test_gate_is_open_from_the_largest_entropy_on() -> None:
    assert sure_probability(5.0) == 0.0
