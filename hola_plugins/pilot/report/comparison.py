"""Every stage against the baseline and against the stage before, measure by measure, corrected for their number."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

from hola_plugins.page.figures import words
from hola_plugins.pilot.report.estimate import LEAST_TURNS, LEAST_UNITS, LEVEL, Estimate
from hola_plugins.pilot.report.jackknife import ratio_of_totals
from hola_plugins.pilot.report.pairing import paired, prompt, turn
from hola_plugins.pilot.report.scores import accuracy_change, recall_change
from hola_plugins.pilot.results import Accuracy, Request, Stage

Kind: TypeAlias = Literal["speed", "quality"]
Unit: TypeAlias = Literal["turn", "prompt", "query", "question"]

_Change: TypeAlias = Callable[[Stage, Stage], Estimate | None]

_SPEEDS: dict[str, tuple[Callable[[Request], float], Callable[[Request], Hashable]]] = {
    "latency": (lambda request: request.latency_s, turn),
    "time to first token": (lambda request: request.first_token_s, turn),
    "prompt tokens": (lambda request: request.tokens_in, prompt),
}
"""Measures of requests: what is summed, and what is counted as one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure of two stages.

    Attributes:
        stage: Name of the stage.
        against: Name of the stage that it is compared with.
        measure: What was measured, for example "latency".
        kind: "speed": a ratio, lower is better. "quality": a difference of scores in [0, 1], higher is better.
        estimate: The change.
        corrected: The probability after Holm's correction; None where it is unknown.
        step: Whether the stage's step is judged by it: it is compared with the stage before or, by a score which that
            lacks, with the last stage that has it.
    """

    stage: str
    against: str
    measure: str
    kind: Kind
    estimate: Estimate
    corrected: float | None = None
    step: bool = False

    @property
    def neutral(self) -> float:
        """The value that means no change."""
        return 1.0 if self.kind == "speed" else 0.0

    @property
    def unit(self) -> Unit:
        """What is counted as one: of time a turn, a stage's share of one repeat."""
        if self.kind == "quality":
            return "query" if self.measure == "recall" else "question"
        return "prompt" if self.measure == "prompt tokens" else "turn"

    @property
    def decidable(self) -> bool:
        """Whether there are pairs enough and an interval."""
        least = LEAST_TURNS if self.unit == "turn" else LEAST_UNITS
        return self.estimate.low is not None and self.estimate.units >= least

    @property
    def improved(self) -> bool:
        """Whether it is better, and still so after the correction: a gain must be sure."""
        sure = self.corrected is not None and self.corrected < 1 - LEVEL
        return sure and self.likely

    @property
    def likely(self) -> bool:
        """Whether it is better by its own interval, sure or not."""
        return self.decidable and self._beyond(better=True)

    @property
    def worsened(self) -> bool:
        """Whether it is worse by its own interval: a loss is believed sooner than a gain."""
        return self.decidable and self._beyond(better=False)

    @property
    def significant(self) -> bool:
        """Whether it is better or worse."""
        return self.improved or self.worsened

    def _beyond(self, *, better: bool) -> bool:
        """Says whether the whole interval lies on one side of no change."""
        low, high = self.estimate.low, self.estimate.high
        if low is None or high is None:
            return False
        return high < self.neutral if better == (self.kind == "speed") else low > self.neutral


def compare_all(stages: Sequence[Stage]) -> list[Comparison]:
    """Compares every finished stage with the baseline and with the finished stage before it.

    Args:
        stages: In the order of adoption; the first one is the baseline.
    """
    done = [stage for stage in stages if stage.status == "done"]
    found: list[Comparison] = []
    for place, stage in enumerate(done[1:], 1):
        found += _compared(done[:place], stage, stages[0])
    return corrected(found)


def measure_of(score: Accuracy) -> str:
    """Gives the name under which a score is compared."""
    return f"{score.task} {words(score.metric)}"


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Corrects the probabilities for the number of comparisons (Holm 1979), in the order given."""
    known = [(one.estimate.p, place) for place, one in enumerate(comparisons) if one.estimate.p is not None]
    found = list(comparisons)
    reached = 0.0
    for rank, (p, place) in enumerate(sorted(known)):
        reached = max(reached, min(1.0, p * (len(known) - rank)))
        found[place] = replace(found[place], corrected=reached)
    return found


def _compared(earlier: Sequence[Stage], stage: Stage, baseline: Stage) -> Iterator[Comparison]:
    """Yields the comparisons of a stage with earlier ones of which something is known on both sides."""
    for measure, kind, change, having in _changes(earlier, stage):
        for against in having:
            step = against is having[-1]
            estimate = change(against, stage) if step or against is baseline else None
            if estimate is not None:
                yield Comparison(stage.name, against.name, measure, kind, estimate, step=step)


def _changes(earlier: Sequence[Stage], stage: Stage) -> Iterator[tuple[str, Kind, _Change, Sequence[Stage]]]:
    """Yields every measure with its kind, how it is compared, and the earlier stages that it is compared with."""
    for measure in _SPEEDS:
        yield measure, "speed", partial(_ratio, measure), earlier
    for measure in map(measure_of, stage.accuracy):
        yield (
            measure,
            "quality",
            partial(_score_change, measure),
            [one for one in earlier if measure in _scores(one)],
        )
    yield "recall", "quality", _recall_change, earlier


def _ratio(measure: str, before: Stage, after: Stage) -> Estimate | None:
    """Gives a ratio of totals; None where none is known, and for prompts that are all as long as before."""
    estimate = ratio_of_totals(paired(before, after, *_SPEEDS[measure]))
    same = measure == "prompt tokens" and estimate is not None and estimate.value == 1.0
    return None if same else estimate


def _score_change(measure: str, before: Stage, after: Stage) -> Estimate | None:
    return accuracy_change(_scores(before)[measure], _scores(after)[measure])


def _scores(stage: Stage) -> dict[str, Accuracy]:
    return {measure_of(score): score for score in stage.accuracy}


def _recall_change(before: Stage, after: Stage) -> Estimate | None:
    if before.retrieval is None or after.retrieval is None:
        return None
    return recall_change(before.retrieval, after.retrieval)
