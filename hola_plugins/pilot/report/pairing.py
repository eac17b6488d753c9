"""Requests of two stages side by side: the same prompt in the same repeat, summed by prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hola_plugins.pilot.results import Request, Stage


@dataclass(frozen=True, slots=True)
class Pairs:
    """Sums of a measure by prompt, over the requests that both stages answered.

    A prompt is one unit whatever the number of its repeats, because its answers are alike.

    Attributes:
        before: Sum of the stage compared with, float64[prompts].
        after: Sum of the stage, float64[prompts].
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]


def paired(before: Stage, after: Stage, measure: Callable[[Request], float]) -> Pairs:
    """Pairs the requests of two stages.

    Raises:
        ValueError: If a stage has two requests of one prompt in one repeat.
    """
    first, second = by_key(before), by_key(after)
    common = sorted(first.keys() & second.keys())
    place = {prompt: row for row, prompt in enumerate(sorted({prompt for _, prompt in common}))}
    sums = np.zeros((2, len(place)))
    for key in common:
        sums[:, place[key[1]]] += measure(first[key]), measure(second[key])
    return Pairs(sums[0], sums[1])


def by_key(stage: Stage) -> dict[tuple[int, str], Request]:
    """Gives the requests by repeat and prompt.

    Raises:
        ValueError: If there are two of one prompt in one repeat.
    """
    found: dict[tuple[int, str], Request] = {}
    for request in stage.requests:
        key = (request.repeat, request.prompt)
        if key in found:
            raise ValueError(
                f"a prompt must occur once in a repeat, got {request.prompt!r} twice in repeat {request.repeat} "
                f"of stage {stage.name!r}: give every prompt an id of its own"
            )
        found[key] = request
    return found
