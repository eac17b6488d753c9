"""The order in which the tried settings of a search are taken."""

from __future__ import annotations

from collections.abc import Sequence

from hola_plugins.tune.limits import Limit
from hola_plugins.tune.noise import is_gain
from hola_plugins.tune.search import Trial


def ranked(trials: Sequence[Trial], later: Sequence[Limit] = ()) -> list[Trial]:
    """Lists the settings that keep all limits of their search, each once, the best first.

    The best is the cheapest; where leaving the method out keeps the limits too, a setting comes before that only by a
    gain that is more than noise when it is measured once more. The others are for a later search in which nothing keeps
    its limits with the best: those first that keep the limits of later searches already.

    Args:
        trials: Everything that was tried, the method left out among it.
        later: The limits of later searches.
    """
    feasible = _distinct([one for one in trials if one.feasible])
    optional = any(not one.settings for one in feasible)

    def order(one: Trial) -> tuple[bool, float]:
        return optional and _is_doubtful(one), one.cost or 0.0

    found = sorted(feasible, key=order)
    return [*found[:1], *sorted(found[1:], key=lambda one: _breaks(one, later))]


def nearest_of(trials: Sequence[Trial]) -> Trial | None:
    """Gives the measured trial whose worst limit is broken the least; None where none was measured."""
    measured = [one for one in trials if one.status == "done"]
    return min(measured, key=lambda one: one.worst, default=None)


def _is_doubtful(trial: Trial) -> bool:
    """Tells whether a cost that noise moves was not confirmed."""
    return bool(trial.turns) and not (trial.again and is_gain(trial.turns))


def _distinct(trials: Sequence[Trial]) -> list[Trial]:
    """Leaves out settings that were proposed again."""
    settings = [one.settings for one in trials]
    return [one for place, one in enumerate(trials) if one.settings not in settings[:place]]


def _breaks(trial: Trial, limits: Sequence[Limit]) -> bool:
    """Tells whether what was measured already breaks a limit."""
    return any(
        getattr(trial.figures, one.figure) is not None and one.violation(trial.figures) > 0 for one in limits
    )
