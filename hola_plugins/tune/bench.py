"""The pilot's measuring parts, put together over one part of the data."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from hola_plugins.pilot.accuracy import Evaluation
from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.contexts import Contexts
from hola_plugins.pilot.provenance import versions_in
from hola_plugins.pilot.scores import Scores
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.server_host import ServerHost
from hola_plugins.pilot.stages import Depth
from hola_plugins.pilot.state import State
from hola_plugins.pilot.traffic import Traffic
from hola_plugins.pilot.workload import Prompt
from hola_plugins.tune.choice import Choice
from hola_plugins.tune.duel import Arena


class Environment:
    """The environments of a pilot's configuration.

    Args:
        pilot: The configuration.
        logs: Folder that receives the servers' logs.
    """

    def __init__(self, pilot: PilotConfig, logs: Path) -> None:
        self._pilot = pilot
        self.logs = logs

    @cached_property
    def own_versions(self) -> dict[str, str]:
        """Packages of the environment that retrieves, which is this one."""
        return versions_in(Path(sys.executable))

    @cached_property
    def versions(self) -> dict[str, str]:
        """Packages of vLLM's environment."""
        return versions_in(self._python)

    @cached_property
    def compress_versions(self) -> dict[str, str]:
        """Packages of llmcompressor's environment; empty without one."""
        python = self._pilot.compress_python
        return versions_in(python) if python else {}

    def fleet(self) -> Fleet:
        """Gives what runs servers."""
        return Fleet(
            ServerHost.of(self._python, self.versions),
            self.logs,
            self._pilot.start_timeout_s,
            one_at_a_time=self._pilot.one_at_a_time,
        )

    @property
    def _python(self) -> Path:
        return self._pilot.serve_python or Path(sys.executable)


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
        traffic = Traffic(pilot.concurrency, pilot.max_tokens, pilot.chat, pilot.request_timeout_s)
        self.arena = Arena(fleet, traffic, pilot.repeats_over(2 * self.contexts.count), show)
        evaluation = Evaluation(
            pilot.out / "lm_eval", environment.logs, pilot.tokenizer, pilot.concurrency, pilot.chat
        )
        self.scores = Scores(evaluation, self.contexts, state, environment.versions)

    @property
    def prompts(self) -> list[Prompt]:
        """What is sent with the settings so far."""
        return self.contexts.prompts(self.depth)
