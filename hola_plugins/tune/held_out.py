"""The chosen settings beside the pilot's baseline, on data that no search saw."""

from __future__ import annotations

from typing import Any

from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.stages import Depth
from hola_plugins.pilot.state import State
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.duel import Side
from hola_plugins.tune.keys import served_key
from hola_plugins.tune.limits import Figures

_NAME = "held-out"


def measure_held_out(bench: Bench, choice: Choice, state: State) -> tuple[Figures, Figures]:
    """Measures the baseline and the chosen settings, unless that is finished.

    Args:
        bench: The measuring parts over what was held out.
        choice: The chosen settings.
        state: What is finished.

    Returns:
        Figures of the baseline, and of the chosen settings.

    Raises:
        ProcessError: A server ended, or a request got no answer.
    """
    sides = [baseline_side(bench), Side(choice.server(bench.pilot, "tuned"), bench.prompts)]
    key = served_key(bench, sides, ("fixed", bench.depth))
    found = state.get(_NAME, key)
    if found is None:
        result = bench.arena.duel(sides[0], sides[1])
        both = [
            _with_scores(bench, sides[0].plan, "fixed", result.reference),
            _with_scores(bench, sides[1].plan, bench.depth, result.rival),
        ]
        found = [one.model_dump(mode="json") for one in both]
        state.put(_NAME, key, found)
    reference, tuned = (Figures.model_validate(one) for one in found)
    return reference, tuned


def baseline_side(bench: Bench) -> Side:
    """Gives the pilot's baseline with what it is sent."""
    plan = Choice.baseline(bench.pilot).server(bench.pilot, "baseline")
    return Side(plan, bench.contexts.prompts("fixed"))


def _with_scores(bench: Bench, plan: ServerPlan, depth: Depth, figures: Figures) -> Figures:
    """Adds accuracy and retrieval to what a duel found."""
    server = bench.arena.fleet.server(plan)
    bench.arena.show(f"{plan.name}: asking questions")
    scores = [bench.scores.measure(server, depth, task).value for task in bench.pilot.accuracy]
    retrieval = bench.contexts.retrieval(depth)
    more: dict[str, Any] = {"accuracy": min(scores, default=None)}
    if retrieval is not None:
        more |= {"recall": retrieval.recall, "tokens": retrieval.tokens}
    return figures.model_copy(update=more)
