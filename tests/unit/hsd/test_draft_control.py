"""The control of draft lengths with invented times: what it learns, and what makes it pause."""

from __future__ import annotations

import numpy as np
import pytest

from hola_plugins.hsd.block import make_block
from hola_plugins.hsd.breaker import CircuitBreaker
from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.control import DraftControl
from hola_plugins.hsd.feedback import Feedback
from hola_plugins.hsd.level import DRAFTED, SLOT, Block
from hola_plugins.hsd.step_time import StepTimeCurve


def steps(
    control: DraftControl, count: int, sent: int, emitted: int, seconds: float, draft_seconds: float = 0.0
) -> None:
    """Serves one request for some steps, each of which verifies ``sent`` drafted tokens."""
    for _ in range(count):
        control.nothing_sent()
        control.sent_tokens = sent
        control.observe_step(1, emitted, None, seconds, draft_seconds)


@pytest.mark.parametrize(
    ("emitted", "seconds", "draft_seconds", "state"),
    [
        (1, 0.01, 0.0, "closed"),
        (1, 0.01, 0.001, "open"),
        (1, 0.011, 0.0, "open"),
        (2, 0.018, 0.001, "closed"),
        (2, 0.018, 0.003, "open"),
    ],
)
def test_drafts_that_cost_more_than_they_bring_open_the_breaker(
    emitted: int, seconds: float, draft_seconds: float, state: str
) -> None:
    control = DraftControl(HSDConfig(), max_rows=1, max_draft=8)
    steps(control, 3, 0, 1, 0.01)
    steps(control, 47, 4, emitted, seconds, draft_seconds)
    assert control.breaker.state == "closed"
    steps(control, 1, 4, emitted, seconds, draft_seconds)
    assert control.breaker.state == state
    assert control.may_draft(1) == (state == "closed")


def test_the_breaker_can_be_switched_off() -> None:
    control = DraftControl(HSDConfig.model_validate({"control": {"breaker": False}}), 1, 8)
    steps(control, 3, 0, 1, 0.01)
    steps(control, 60, 4, 1, 0.02)
    assert (control.breaker.state, control.may_draft(1)) == ("closed", True)


def draft_of(*chances: float) -> Block:
    """Gives a block with one draft, whose tokens have these match probabilities."""
    block = make_block(1, 8, Feedback(np.zeros((3, 4), dtype=np.float32), 1, 8, 1).evidence)
    block.state[0, SLOT], block.state[0, DRAFTED] = 0, len(chances)
    block.chance[0, : len(chances)] = chances
    return block


@pytest.mark.parametrize(
    ("chances", "sent", "threshold"), [((0.25, 0.01), 1, 0.1 + 0.1 * (0.25 - 0.1)), ((0.01,), 0, 0.19)]
)
def test_the_threshold_goes_a_tenth_of_the_way_to_the_best_one(
    chances: tuple[float, ...], sent: int, threshold: float
) -> None:
    control = DraftControl(HSDConfig.model_validate({"control": {"explore": 0.0}}), 1, 8)
    steps(control, 3, 0, 1, 0.01)
    assert control.cut(draft_of(*chances), 1, 1).tolist() == [sent]
    assert control.sent_tokens == sent
    assert control.threshold == pytest.approx(threshold)
    assert control.survival_floor == pytest.approx(0.5 * threshold)


@pytest.mark.parametrize(("share", "sent"), [(0.3, 0), (0.7, 1), (1.3, 2)])
def test_half_of_the_exploration_sends_nothing_and_half_down_to_half_the_threshold(
    monkeypatch: pytest.MonkeyPatch, share: float, sent: int
) -> None:
    control = DraftControl(HSDConfig(), 1, 8)
    steps(control, 3, 0, 1, 0.01)
    monkeypatch.setattr(control._random, "random", lambda: share * HSDConfig().control.explore)
    assert control.cut(draft_of(0.06, 0.7), 1, 1).tolist() == [sent]


def test_a_token_of_the_batch_takes_its_share_of_the_step() -> None:
    control = DraftControl(HSDConfig(), max_rows=4, max_draft=8)
    assert control.token_seconds is None
    control.observe_step(2, 2, None, 0.01, 0.002)
    assert control.curve.observations(2, 2) == 1
    assert control.token_seconds == pytest.approx(0.006)


def test_the_price_of_a_token_is_its_time_over_that_of_an_emitted_one() -> None:
    control = DraftControl(HSDConfig(), max_rows=4, max_draft=8)
    assert control.price(1) == 0.0
    steps(control, 3, 0, 2, 0.010)
    steps(control, 3, 4, 2, 0.018)
    control.nothing_sent()
    assert control.price(1) == pytest.approx((0.018 - 0.010) / 4 / (0.010 / 2))


@pytest.mark.parametrize(("told", "counted"), [(3, "3"), (7, "7"), (8, "7"), (None, "7")])
def test_a_step_counts_as_what_it_ran_of_what_was_sent(told: int | None, counted: str) -> None:
    control = DraftControl(HSDConfig(), max_rows=1, max_draft=8)
    control.sent_tokens = 6
    control.observe_step(1, 3, told, 0.01)
    assert control.curve.milliseconds(1) == {counted: 10.0}


def pause(breaker: CircuitBreaker) -> int:
    """Lets a breaker trip and counts the calls up to its probe."""
    while breaker.state != "open":
        breaker.observe(0.5, 1.0)
    calls = 1
    while not breaker.allows():
        calls += 1
    return calls


def test_pauses_double_up_to_2048_calls_and_a_good_probe_makes_them_short_again() -> None:
    breaker = CircuitBreaker(0.98)
    assert [pause(breaker) for _ in range(8)] == [32, 64, 128, 256, 512, 1024, 2048, 2048]
    for _ in range(24):
        breaker.observe(1.5, 1.0)
    assert breaker.state == "closed"
    assert [pause(breaker), pause(breaker)] == [32, 64]


def test_past_the_last_measured_point_the_curve_is_no_flatter_than_its_chord() -> None:
    curve = StepTimeCurve(36)
    for _ in range(3):
        curve.observe(1, 1, 0.01)
        curve.observe(1, 4, 0.04)
    assert curve.table(1)[[1, 4, 20, 36]].tolist() == pytest.approx([0.01, 0.04, 0.2, 0.36])


def test_a_batch_size_measured_at_one_point_runs_like_the_mean_step_of_all() -> None:
    curve = StepTimeCurve(36)
    for requests, tokens, seconds, count in ((1, 1, 0.01, 3), (1, 4, 0.02, 6), (4, 4, 0.05, 3)):
        for _ in range(count):
            curve.observe(requests, tokens, seconds)
    assert curve.table(4)[[1, 4, 7]] == pytest.approx(0.05 / 0.03 * np.array([0.01, 0.03, 0.05]))


def test_drift_takes_its_share_out_of_the_point_that_moved() -> None:
    curve = StepTimeCurve(36)
    for seconds in (0.01, 0.01, 0.01, 0.02):
        curve.observe(1, 1, seconds)
    assert curve.milliseconds(1) == {"1": 12.5}
