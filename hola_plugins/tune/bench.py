"""The pilot's measuring parts, put together over one part of the data."""

from __future__ import annotations

from collections.abc import Callable

from hola_plugins.pilot.accuracy import Evaluation
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.contexts import Contexts
from hola_plugins.pilot.environment import Environment
from hola_plugins.pilot.scores import Scores
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.stages import Depth
from hola_plugins.pilot.state import State
from hola_plugins.pilot.traffic import Traffic
from hola_plugins.pilot.workload import Prompt
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.duel import Arena


class Bench:
    """Measures settings over one part of the data.

    Unless the configuration gives `repeats`, a turn holds `concurrency` prompts, where the pilot's holds twice as many:
    a part is smaller, and the number of turns decides how small a gain is found.

    Args:
        pilot: The pilot's configuration over that part.
        choice: The settings so far, by which passages are retrieved.
        environment: The environments.
        state: What is finished.
        fleet: Runs the servers.
        show: Told what is being done.
    """

    def __init__(
        self,
        pilot: PilotConfig,
        choice: Choice,
        environment: Environment,
        state: State,
        fleet: Fleet,
        show: Callable[[str], None],
    ) -> None:
        adaptive = {"adacomp": choice.adacomp} if choice.adacomp else {}
        self.pilot = pilot.model_copy(update={**adaptive, "repeats": 1})
        self.depth: Depth = "adaptive" if choice.adacomp else "fixed"
        self.contexts = Contexts(self.pilot, state, environment.own_versions, show)
        self.arena = Arena(fleet, Traffic.of(pilot), pilot.repeats_over(2 * self.contexts.count), show)
        self.scores = Scores(
            Evaluation.of(pilot, environment.logs), self.contexts, state, environment.versions
        )

    @property
    def prompts(self) -> list[Prompt]:
        """What is sent with the settings so far."""
        return self.contexts.prompts(self.depth)
