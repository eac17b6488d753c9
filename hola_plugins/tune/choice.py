"""What the searches choose, method by method, and the document that tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from hola_plugins.pilot.config import PilotConfig
from hola_plugins.pilot.sections import AdaComp, LoBi
from hola_plugins.pilot.server_plan import ServerPlan
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.search import Trial

Method = Literal["retrieval", "lobi", "hsd"]

TITLES: Mapping[Method, str] = {"retrieval": "AdaComp", "lobi": "Lo-Bi", "hsd": "HSD"}
"""Names of the methods."""


class Choice(BaseModel):
    """The settings so far; each search starts from the one before.

    Attributes:
        adacomp: Settings of AdaComp; None retrieves as the pilot's baseline does.
        lobi: How the model is compressed; None serves it as it comes.
        model: What is served.
        hsd: Settings of HSD; None drafts nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    adacomp: AdaComp | None
    lobi: LoBi | None = None
    model: str
    hsd: dict[str, Any] | None = None

    @classmethod
    def baseline(cls, pilot: PilotConfig) -> Self:
        """Gives the settings of the pilot's baseline: none of any method."""
        return cls(adacomp=None, model=pilot.model)

    def server(self, pilot: PilotConfig, name: str) -> ServerPlan:
        """Plans the server of these settings."""
        return ServerPlan(
            name=name,
            model=self.model,
            dtype=pilot.dtype,
            draft_tokens=None if self.hsd is None else pilot.hsd.draft_tokens,
            hsd=self.hsd or {},
            engine=pilot.engine,
            variables=pilot.environment,
        )


class Searched(BaseModel):
    """One search.

    Attributes:
        method: What was searched.
        trials: Every setting that was tried.
        chosen: The best; None where nothing was searched or nothing keeps the limits.
        note: Why nothing was searched, or which limit is nearest to be met and by how much it is broken, or why a
            better setting was not chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method
    trials: tuple[Trial, ...] = ()
    chosen: Trial | None = None
    note: str | None = None

    @property
    def unmeasured(self) -> bool:
        """Whether settings were tried and every one of them failed, so that what is chosen says nothing of them."""
        tried = [trial for trial in self.trials if trial.settings]
        return bool(tried) and all(trial.status == "failed" for trial in tried)


class Tuned(BaseModel):
    """Everything that a tuning found.

    Attributes:
        searches: The searches in their order.
        choice: What they chose; None where one found nothing that keeps the limits.
        searched: Figures of the chosen settings in the search.
        unconfirmed: Why the choice is not measured on the data held out; None where it is, or where there is none.
        held_out: Figures of the chosen settings on data that no search saw.
        reference: Figures of the pilot's baseline on the same data, measured in turn.
        broken: Limits that the chosen settings break on that data, or of which it cannot be told.
        no_gain: Why the chosen settings are not better than the baseline on that data; None where they are, or where
            the baseline breaks a limit or is what was chosen.
        infeasible: Why there is no choice.
        compress_command: The `hola compress` command of the chosen model; None where it is served as it comes.
        versions: Packages of all environments.
        config_sha256: Hash of the configuration file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    searches: tuple[Searched, ...]
    choice: Choice | None = None
    searched: Figures = Figures()
    unconfirmed: str | None = None
    held_out: Figures = Figures()
    reference: Figures = Figures()
    broken: tuple[str, ...] = ()
    no_gain: str | None = None
    infeasible: str | None = None
    compress_command: str | None = None
    versions: dict[str, str] = {}
    config_sha256: str = ""

    @property
    def sound(self) -> bool:
        """Whether there is a choice, it is better on the data held out and keeps all limits, and all was measured."""
        measured = not any(one.unmeasured for one in self.searches)
        return measured and not (self.infeasible or self.unconfirmed or self.broken or self.no_gain)
