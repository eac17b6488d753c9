"""Requests of two stages side by side: the same prompt in the same repeat, summed by turn or by prompt."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hola_plugins.pilot.results import Request, Stage


@dataclass(frozen=True, slots=True)
class Pairs:
    """Sums of a measure over the requests that both stages answered, by what is counted as one.

    Attributes:
        before: Sums of the stage compared with, float64[units].
        after: Sums of the stage, float64[units].
    """

    before: NDArray[np.float64]
    after: NDArray[np.float64]


def turn(request: Request) -> int:
    """Names a request's turn, its stage's share of one repeat.

    What disturbs the machine, or drifts there, moves the requests of a turn together: they are one unit of time.
    """
    return request.repeat


def prompt(request: Request) -> str:
    """Names a request's prompt, one unit of what the machine does not move; its answers are alike in all repeats."""
    return request.prompt


def paired(
    before: Stage, after: Stage, measure: Callable[[Request], float], unit: Callable[[Request], Hashable]
) -> Pairs:
    """Pairs the requests of two stages and sums them by unit.

    Args:
        before: The stage compared with.
        after: The stage.
        measure: What is summed.
        unit: Names what a request is summed with: `turn` or `prompt`.

    Raises:
        ValueError: If a stage has two requests of one prompt in one repeat.
    """
    first, second = by_key(before), by_key(after)
    common = sorted(first.keys() & second.keys())
    place = {name: row for row, name in enumerate(dict.fromkeys(unit(first[key]) for key in common))}
    sums = np.zeros((2, len(place)))
    for key in common:
        sums[:, place[unit(first[key])]] += measure(first[key]), measure(second[key])
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
