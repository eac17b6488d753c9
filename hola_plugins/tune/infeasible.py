"""That no setting of a search keeps all limits, and how near the nearest comes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hola_plugins.tune.choice import TITLES, Method, Searched
from hola_plugins.tune.limits import Limit, broken
from hola_plugins.tune.ranking import nearest_of
from hola_plugins.tune.search import Trial


class InfeasibleError(ValueError):
    """No setting of a search keeps all limits; the message names the nearest one.

    Args:
        message: What is said.
        searches: The searches up to this one.
        violation: By which share of it the nearest one breaks its worst limit.
    """

    def __init__(self, message: str, searches: Sequence[Searched], violation: float) -> None:
        super().__init__(message)
        self.searches = tuple(searches)
        self.violation = violation


def infeasible(
    before: Sequence[Searched], method: Method, trials: Sequence[Trial], limits: Sequence[Limit]
) -> InfeasibleError:
    """Gives the error of a search in which nothing keeps the limits.

    Args:
        before: The searches before it, whose choices it was done with.
        method: What was searched.
        trials: Everything that was tried.
        limits: The limits that count in it.
    """
    nearest = nearest_of(trials)
    chosen = ", ".join(f"{TITLES[one.method]} {one.chosen.label}" for one in before if one.chosen)
    given = f"with what was chosen before ({chosen}), " if chosen else ""
    message = f"{TITLES[method]}: {given}no setting keeps all limits"
    if nearest is not None:
        message += f"; the nearest ({nearest.label}): {'; '.join(broken(limits, nearest.figures))}"
    note = Searched(method=method, trials=tuple(trials), note=message)
    return InfeasibleError(message, [*before, note], nearest.worst if nearest else math.inf)


def nearest_error(failed: Sequence[InfeasibleError]) -> InfeasibleError:
    """Gives, of searches with different choices before them, the error of the one that came nearest."""
    nearest = min(failed, key=lambda one: one.violation)
    others = len(failed) - 1
    said = f"{nearest}; nor does any with {others} other choices before it" if others else str(nearest)
    return InfeasibleError(said, nearest.searches, nearest.violation)
