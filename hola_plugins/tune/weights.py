"""Lo-Bi searched: every setting is compressed by `hola compress`, then served and asked."""

from __future__ import annotations

from typing import Any, Literal

from hola_plugins.pilot.compression import Compressor
from hola_plugins.pilot.sections import LoBi
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.pilot.state import digest
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.config import WeightSpace
from hola_plugins.tune.duel import Side
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.search import Measured, Report, Values


def weight_values(space: WeightSpace) -> Values:
    """Lists what is chosen from."""
    return {"budget": list(space.budget), "prune": list(space.prune)}


class WeightTrials:
    """Measures compressed models.

    Args:
        bench: The measuring parts.
        choice: The settings so far.
        compressor: Makes checkpoints, and keeps their scores for other budgets.
        minimise: What decides.
    """

    def __init__(
        self, bench: Bench, choice: Choice, compressor: Compressor, minimise: Literal["latency", "memory"]
    ) -> None:
        self._bench = bench
        self._pilot = bench.pilot
        self._arena = bench.arena
        self._choice = choice
        self._compressor = compressor
        self._minimise = minimise

    def settings(self, values: dict[str, Any]) -> LoBi:
        """Gives Lo-Bi's settings of one trial."""
        return self._pilot.lobi.model_copy(update=values)

    def checkpoint(self, values: dict[str, Any]) -> str:
        """Gives the folder of one trial's model, made where it is not there."""
        self._arena.show(f"compressing to {values['budget']}")
        return str(self._compressor.compress(f"lobi-{digest(values)}", self.settings(values)))

    def chosen(self, values: dict[str, Any]) -> Choice:
        """Gives the choice with the model of one trial."""
        made = {"lobi": self.settings(values), "model": self.checkpoint(values)}
        return self._choice.model_copy(update=made)

    def measure(self, values: dict[str, Any], report: Report) -> Measured:
        """Measures one setting against the model as it comes."""
        reference = self._choice.server(self._pilot, "original")
        small = self._choice.model_copy(update={"model": self.checkpoint(values)})
        rival = small.server(self._pilot, f"lobi-{digest(values)}")
        try:
            found = self._arena.duel(Side(reference, self._bench.prompts), Side(rival, self._bench.prompts))
            figures = found.rival.model_copy(update={"accuracy": self.accuracy(rival)})
        finally:
            self._arena.fleet.release(rival)
        return self._measured(figures, found.cost, found.turns)

    def original(self) -> Measured:
        """Measures the model as it comes."""
        plan = self._choice.server(self._pilot, "original")
        alone = self._arena.alone(Side(plan, self._bench.prompts))
        figures = alone.model_copy(update={"accuracy": self.accuracy(plan)})
        return self._measured(figures, 0.0)

    def accuracy(self, plan: ServerPlan) -> float | None:
        """Gives the least score of all tasks; None without tasks."""
        tasks = self._pilot.accuracy
        self._arena.show(f"{plan.name}: asking questions")
        server = self._arena.fleet.server(plan) if tasks else None
        found = [
            self._bench.scores.measure(server, self._bench.depth, task).value for task in tasks if server
        ]
        return min(found, default=None)

    def _measured(self, figures: Figures, log_latency: float, turns: tuple[float, ...] = ()) -> Measured:
        """Gives the cost in what decides; the size of a checkpoint has no noise."""
        if self._minimise == "memory":
            return Measured(figures, figures.checkpoint_mb or 0.0)
        return Measured(figures, log_latency, turns)
