"""HSD searched: every setting is served beside the same model without drafts and measured in turn with it.

optuna is told how each prompt's latency compares, and ends a trial whose prompts are significantly slower than those of
the best trial so far (Wilcoxon's signed ranks). The best is measured once more.
"""

from __future__ import annotations

from typing import Any

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.state import digest
from hola_plugins.tune.bench import Bench
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.config import DraftSpace
from hola_plugins.tune.duel import Side
from hola_plugins.tune.search import Measured, Report, Values

_BETWEEN = ", "


def draft_values(space: DraftSpace) -> Values:
    """Lists what is chosen from; levels as one text, which optuna takes."""
    return {"tau": list(space.tau), "levels": [_BETWEEN.join(one) for one in space.levels]}


def draft_settings(pilot: PilotConfig, values: dict[str, Any]) -> dict[str, Any]:
    """Gives HSD's settings of one trial, over those of the pilot's file; a corpus needs a level that reads it."""
    levels = values["levels"].split(_BETWEEN)
    settings = {**pilot.hsd.settings, "tau": values["tau"], "levels": levels}
    if levels == ["request"]:
        settings["store"] = {**settings.get("store", {}), "corpus": None}
    return settings


class DraftTrials:
    """Measures settings of HSD.

    Args:
        bench: The measuring parts.
        choice: The settings so far.
    """

    def __init__(self, bench: Bench, choice: Choice) -> None:
        self._pilot = bench.pilot
        self._choice = choice
        self._arena = bench.arena
        self._prompts = bench.prompts
        self._reference = choice.server(bench.pilot, "no-drafts")

    def measure(self, values: dict[str, Any], report: Report) -> Measured:
        """Measures one setting against serving without drafts."""
        drafting = self._choice.model_copy(update={"hsd": draft_settings(self._pilot, values)})
        rival = drafting.server(self._pilot, f"hsd-{digest(values)}")
        try:
            found = self._arena.duel(Side(self._reference, self._prompts), Side(rival, self._prompts), report)
        finally:
            self._arena.fleet.release(rival)
        return Measured(found.rival, found.cost, found.turns)

    def original(self) -> Measured:
        """Measures serving without drafts."""
        return Measured(self._arena.alone(Side(self._reference, self._prompts)), 0.0)
