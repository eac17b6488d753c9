"""What predictions are worth once their tokens have come."""

from __future__ import annotations

import numpy as np
import pytest

from hola_plugins.hsd.feedback import Feedback
from hola_plugins.hsd.level import REQUEST, Tokens

KNOWN = 5
"""Tokens of the request when the prediction was made."""


def judge(feedback: Feedback, predicted: int, came: list[int], source: int = 20) -> None:
    """Judges one prediction of the request's own level against the tokens that came."""
    feedback.trail[0, 0] = (0, predicted, REQUEST, 0, source)
    feedback.trail_length[0] = 1
    feedback._drafted_at[0] = KNOWN
    buffer = np.array([[0] * KNOWN + came], dtype=np.int32)
    lengths = np.array([buffer.shape[1]], dtype=np.int32)
    feedback.score(Tokens(np.zeros(1, dtype=np.int32), lengths, buffer))


@pytest.fixture
def feedback() -> Feedback:
    return Feedback(np.full((REQUEST + 1, 1), 0.5, dtype=np.float32), slots=1, max_draft=2, rounds=1)


def test_old_judgements_fade_so_that_a_new_workload_is_learned(feedback: Feedback) -> None:
    for _ in range(3000):
        judge(feedback, 7, [7])
    assert feedback.calibration[REQUEST, 0] > 0.99
    for _ in range(600):
        judge(feedback, 7, [8])
    assert feedback.calibration[REQUEST, 0] < 0.5


@pytest.mark.parametrize(
    ("predicted", "came", "resume"), [(9, [7], 21), (9, [7, 8], -1), (7, [7], -1), (7, [7, 8], -1)]
)
def test_a_copy_resumes_where_its_last_token_alone_was_wrong(
    feedback: Feedback, predicted: int, came: list[int], resume: int
) -> None:
    judge(feedback, predicted, came)
    assert feedback.resume[0] == resume
