"""The best setting of a search measured once more: the best of several is so in part by luck, which does not last.

The second measurement alone decides whether its gain is more than noise, so that it needs no correction for the number
of settings tried. Noise is what disturbs the machine; whether a setting suits more than the prompts of the search is for
the data held out to show.
"""

from __future__ import annotations

from collections.abc import Sequence

from hola_plugins.pilot.process import ProcessError
from hola_plugins.pilot.report.estimate import LEAST_TURNS
from hola_plugins.tune.search import Measure, Trial


def to_confirm(trials: Sequence[Trial]) -> Trial | None:
    """Gives the setting that is to be measured once more before it is chosen.

    Args:
        trials: Everything that was tried, the method left out among it.

    Returns:
        The cheapest that keeps all limits; None where leaving the method out is cheaper or keeps them not, where its
        cost has no noise, and where it has too few turns to tell a gain from noise.
    """
    feasible = [one for one in trials if one.feasible]
    best = min(feasible, key=lambda one: one.cost or 0.0, default=None)
    if best is None or all(one.settings for one in feasible) or len(best.turns) < LEAST_TURNS:
        return None
    return best


def measured_again(trial: Trial, measure: Measure) -> Trial:
    """Gives the trial with the figures of a second measurement, or failed."""
    try:
        found = measure(trial.settings, lambda *_: None)
    except (ProcessError, ValueError) as error:
        return Trial(settings=trial.settings, status="failed", error=str(error), again=True)
    return trial.model_copy(update={**found._asdict(), "again": True})
