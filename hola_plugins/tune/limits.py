"""Limits, the figures that they limit, and by how much a figure breaks one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from hola_plugins.tune.config import TuneConfig


class Figures(BaseModel):
    """What was measured of one setting; null where it was not measured.

    Attributes:
        accuracy: Share of right answers, the least of all tasks.
        recall: Mean share of a query's relevant passages that were kept.
        latency_s: Mean seconds of a request.
        latency_p95_s: 95th percentile of them.
        memory_gib: Peak memory of the server, in GiB.
        tokens: Mean tokens of passages a query.
        checkpoint_mb: Size of the weight files, in 10^6 bytes.
        speedup: Geometric mean over prompts of the reference's latency over this one's, measured in turn.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accuracy: float | None = None
    recall: float | None = None
    latency_s: float | None = None
    latency_p95_s: float | None = None
    memory_gib: float | None = None
    tokens: float | None = None
    checkpoint_mb: float | None = None
    speedup: float | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit.

    Attributes:
        figure: Name of the figure.
        kind: Whether it is the least or the most that is allowed.
        value: The limit.
    """

    figure: str
    kind: Literal["floor", "ceiling"]
    value: float

    def violation(self, figures: Figures) -> float:
        """Gives by which share of the limit a figure breaks it, at most 0 where it keeps it; 1 where it was not measured."""
        found = getattr(figures, self.figure)
        if found is None:
            return 1.0
        short = self.value - found if self.kind == "floor" else found - self.value
        return float(short) / self.value

    def describe(self, figures: Figures) -> str:
        """Says how a figure stands to the limit."""
        found = getattr(figures, self.figure)
        if found is None:
            return f"{self.figure} was not measured, its {self.kind} is {self.value:g}"
        off = f"{self.violation(figures):.1%} off"
        return f"{self.figure} is {found:.4g}, its {self.kind} {self.value:g} ({off})"


def limits_of(config: TuneConfig) -> tuple[Limit, ...]:
    """Lists the limits that a configuration sets."""
    floors = [Limit(name, "floor", value) for name, value in config.floor if value is not None]
    ceilings = [Limit(name, "ceiling", value) for name, value in config.ceiling if value is not None]
    return (*floors, *ceilings)


def among(limits: Iterable[Limit], names: Collection[str]) -> tuple[Limit, ...]:
    """Gives the limits on some figures."""
    return tuple(one for one in limits if one.figure in names)


def violations(limits: Iterable[Limit], figures: Figures) -> Mapping[str, float]:
    """Gives by how much each limit is broken."""
    return {one.figure: one.violation(figures) for one in limits}


def broken(limits: Iterable[Limit], figures: Figures) -> list[str]:
    """Says which limits figures break, and by how much; a figure that was not measured keeps none."""
    return [one.describe(figures) for one in limits if one.violation(figures) > 0]
