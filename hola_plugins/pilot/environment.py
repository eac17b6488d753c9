"""The environments of a configuration: their packages, and what runs servers in one of them."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.provenance import versions_in
from hola_plugins.pilot.server import Fleet
from hola_plugins.pilot.server_host import ServerHost


class Environment:
    """The environments of a pilot's configuration.

    Args:
        pilot: The configuration.
        logs: Folder that receives the servers' logs.

    Attributes:
        logs: The same.
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

    @property
    def all_versions(self) -> dict[str, str]:
        """Packages of vLLM's environment, and under names that say so those of llmcompressor's."""
        compressing = {f"{name} (compress)": version for name, version in self.compress_versions.items()}
        return self.versions | compressing

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
