"""How long the answers of one stage took, and how many tokens went in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hola_plugins.pilot.results import Request


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution in seconds.

    Attributes:
        mean: Mean.
        p50: Median.
        p95: What 95 of 100 requests stay under.
        deviation: Standard deviation of the sample; None for one request.
    """

    mean: float
    p50: float
    p95: float
    deviation: float | None


@dataclass(frozen=True, slots=True)
class Speed:
    """The speed of a stage.

    Attributes:
        answers: How many requests got an answer.
        latency: From sending to the last token.
        first_token: From sending to the first token.
        tokens_in: Mean tokens of a prompt as it was sent.
        tokens_out: Mean tokens of an answer.
        tokens_per_second: Tokens of all answers by the seconds of all requests: the speed that one user sees.
    """

    answers: int
    latency: Spread
    first_token: Spread
    tokens_in: float
    tokens_out: float
    tokens_per_second: float | None


def speed(requests: Sequence[Request]) -> Speed | None:
    """Gives the speed over answered requests; None without any."""
    if not requests:
        return None
    seconds = sum(one.latency_s for one in requests)
    tokens_out = sum(one.tokens_out for one in requests)
    return Speed(
        answers=len(requests),
        latency=_spread([one.latency_s for one in requests]),
        first_token=_spread([one.first_token_s for one in requests]),
        tokens_in=sum(one.tokens_in for one in requests) / len(requests),
        tokens_out=tokens_out / len(requests),
        tokens_per_second=tokens_out / seconds if seconds > 0 else None,
    )


def _spread(seconds: Sequence[float]) -> Spread:
    """Gives mean, quantiles and deviation."""
    p50, p95 = np.quantile(seconds, (0.5, 0.95))
    deviation = float(np.std(seconds, ddof=1)) if len(seconds) > 1 else None
    return Spread(float(np.mean(seconds)), float(p50), float(p95), deviation)
