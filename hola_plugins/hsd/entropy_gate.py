"""The gate: from an entropy threshold to the match probability that it stands for.

HOLA routes by g = I[H(p) < tau]. A level without a neural distribution has a calibrated probability that
its token matches; its entropy is that of the flattest distribution in keeping with it over a fixed number
of alternatives, which falls strictly as the probability rises, so a threshold on one is a threshold on
the other and is converted once.
"""

from __future__ import annotations

import bisect
import math

ALTERNATIVES = 15
"""Tokens over which the probability that is left is spread."""

AUTO_SURE = 0.7
"""Match probability from which tau = "auto" asks no further level.

Asking costs far less than a wrong token in a draft, so the draft's quality decides.
"""


_STEPS = 1 << 16


def entropy(probability: float) -> float:
    """Gives the entropy in nats that stands for a match probability."""
    rest = 1.0 - probability
    if rest <= 0.0:
        return 0.0
    likely = -probability * math.log(probability) if probability > 0.0 else 0.0
    return likely - rest * math.log(rest / ALTERNATIVES)


def sure_probability(tau: float) -> float:
    """Gives the match probability whose entropy is ``tau`` nats; every token passes from log(16) on."""
    even = _STEPS // (ALTERNATIVES + 1)
    steps = range(even, _STEPS + 1)
    place = bisect.bisect_left(steps, -tau, key=lambda step: -entropy(step / _STEPS))
    return 0.0 if place == 0 else steps[min(place, len(steps) - 1)] / _STEPS
