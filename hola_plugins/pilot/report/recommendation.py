"""The rules by which a step is recommended. They are meant to be read.

Each step is judged against the last finished stage before it, so that it answers for what it adds alone.

1. A step that failed, or that left more requests without an answer, stays off. Where the steps before it failed as
   well, it is not measured. A step that is served with what one before it adds, which failed and was not measured
   alone, is undecided at best: a gain may be that one's.
2. A step that lowers accuracy or recall stays off. A loss counts as soon as its own interval leaves out "no change".
3. A gain is: lower latency, shorter time to first token, fewer prompt tokens, higher accuracy or recall (each sure
   after the correction for the number of comparisons), or weights at least 5 % smaller. Their files stand in where
   it is not known what they take in memory.
4. A price is: higher latency, longer time to first token, more prompt tokens, or weights at least 5 % larger.
5. Gains without a price: switch on. Gains at a price: weigh them. A latency that is lower by its own interval alone:
   undecided, at any price. No gain: leave off, or undecided where the sample is too small to show one.
6. AdaComp and Lo-Bi may change answers: they stay undecided where nothing that they can move was measured on both
   sides. Lo-Bi moves every accuracy and no recall, because it is sent the same passages; AdaComp moves recall and the
   accuracy of questions that passages are retrieved for. A score of 0 on both sides, which cannot fall, vouches for
   nothing. Drafts change no answer, whatever the level: what a small sample of questions leaves open is no
   reservation there.
7. A step without a score that a stage before it has is undecided at best. Where the stage before lacks a score that
   the step has, the last stage that has it stands in: a loss against it counts, and a gain does not, which may be that
   of the steps between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal, TypeAlias

from hola_plugins.pilot.report.comparison import Comparison, measure_of
from hola_plugins.pilot.report.wording import in_short, listed, measured, open_loss, too_small
from hola_plugins.pilot.results import Stage

Verdict: TypeAlias = Literal["switch on", "weigh", "undecided", "leave off", "not measured"]

METHODS = {"hsd": "HSD", "adacomp": "AdaComp", "lobi": "Lo-Bi", "all": "the intermediate level"}
"""The method that a stage adds, by the stage's name."""

_WITH_HSD = "HSD with an intermediate level"
"""What the intermediate level is called where HSD has no finished stage before it."""

_FALLS = {
    "latency": "lower latency",
    "time to first token": "shorter time to first token",
    "prompt tokens": "fewer prompt tokens",
}
_RISES = {
    "latency": "higher latency",
    "time to first token": "longer time to first token",
    "prompt tokens": "more prompt tokens",
}
_OPENINGS: dict[Verdict, str] = {
    "switch on": "Switch on",
    "weigh": "Weigh",
    "undecided": "Undecided:",
    "leave off": "Leave off",
    "not measured": "Not measured:",
}
_UNMEASURED = {
    "adacomp": "neither recall nor accuracy of questions that passages are retrieved for was above 0 in it or in the "
    "stage before",
    "lobi": "no accuracy was above 0 in it or in the stage before",
}
"""What is missing where nothing was measured that a method can move, of the methods that may change answers."""

_RECALL = "recall"
_MEMORY = 0.05
"""Smallest share of memory that counts."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do about one step.

    Attributes:
        stage: Name of the stage.
        method: What it adds.
        verdict: What to do.
        reasons: Why, each without a full stop.
    """

    stage: str
    method: str
    verdict: Verdict
    reasons: tuple[str, ...]


def advise(stages: Sequence[Stage], comparisons: Sequence[Comparison]) -> list[Advice]:
    """Judges every step after the baseline, in the order of adoption."""
    found = []
    for place, stage in enumerate(stages[1:], 1):
        earlier = [one for one in stages[:place] if one.status == "done"]
        verdict, reasons = _judged(earlier, stage, brought_along(stages, stage), comparisons)
        found.append(Advice(stage.name, _method(stage, stages[:place]), verdict, tuple(reasons)))
    return found


def summary(advice: Sequence[Advice]) -> str:
    """Says in a line or two what to do, such as ``Switch on HSD and Lo-Bi. Leave off AdaComp``."""
    parts = []
    for verdict, opening in _OPENINGS.items():
        methods = [one.method for one in advice if one.verdict == verdict]
        if methods:
            parts.append(f"{opening} {listed(methods)}.")
    return " ".join(parts) or "Only the baseline was measured."


def _method(stage: Stage, before: Sequence[Stage]) -> str:
    """Names what a stage adds to those before it; an intermediate level without HSD measured before brings it along."""
    if stage.name == "all" and not any(one.name == "hsd" and one.status == "done" for one in before):
        return _WITH_HSD
    return METHODS.get(stage.name, stage.title)


def brought_along(stages: Sequence[Stage], stage: Stage) -> list[Stage]:
    """Gives the stages since the last finished one that failed while they were measured: the stage adds to them too."""
    before = stages[: stages.index(stage)]
    since = takewhile(lambda one: one.status != "done", reversed(before))
    return [one for one in since if one.status == "failed" and one.model][::-1]


def _judged(
    earlier: Sequence[Stage], stage: Stage, along: Sequence[Stage], comparisons: Sequence[Comparison]
) -> tuple[Verdict, list[str]]:
    """Gives verdict and reasons of one step, from the finished stages before it and the failed ones since."""
    if not earlier or stage.status != "done":
        return _without_figures(earlier, stage)
    *others, before = earlier
    older = {one.name: one.title for one in others}
    own = [one for one in comparisons if one.stage == stage.name and one.step]
    mixed = [f"it comes with {one.title}, which failed and was not measured alone" for one in along]
    damage = [*_unanswered(before, stage), *_lost(own, older)]
    if damage:
        return "leave off", [*damage, *mixed]
    latest = [one for one in own if one.against == before.name]
    gains, prices = [*_gains(latest), *_smaller(before, stage)], [*_slower(own), *_larger(before, stage)]
    verdict, reasons = _weighed(gains, prices, own)
    missing = [*mixed, *_unvouched(stage, own), *_unscored(earlier, stage)]
    if verdict != "leave off" and missing:
        return "undecided", [*reasons, *missing]
    return verdict, [*reasons, *mixed, *_open_losses(stage, along, own, older)]


def _without_figures(earlier: Sequence[Stage], stage: Stage) -> tuple[Verdict, list[str]]:
    """Gives verdict and reason of a step that has no figures, or none to compare them with."""
    if stage.status == "skipped":
        return "not measured", [in_short(stage.error)]
    if stage.status == "failed" and not earlier:
        return "not measured", [f"it failed, and so did the baseline: {in_short(stage.error)}"]
    if stage.status == "failed":
        return "leave off", [f"it failed: {in_short(stage.error)}"]
    return "undecided", ["no stage before it was measured"]


def _unvouched(stage: Stage, own: Sequence[Comparison]) -> Iterator[str]:
    """Yields a reason where a method may change answers, and nothing was measured that it can move."""
    missing = _UNMEASURED.get(stage.name)
    if missing and not any(may_move(stage, one) for one in _quality(own)):
        yield f"it may change answers, and {missing}"


def _unscored(earlier: Sequence[Stage], stage: Stage) -> Iterator[str]:
    """Yields a reason where a score failed that a stage before has."""
    known = {score.task for one in earlier for score in one.accuracy}
    tasks = [task for task in stage.unscored if task in known]
    if tasks:
        yield f"it has no score of {', '.join(tasks)}"


def _weighed(gains: list[str], prices: list[str], own: Sequence[Comparison]) -> tuple[Verdict, list[str]]:
    """Weighs what a step gains against what it costs."""
    if gains:
        return ("weigh" if prices else "switch on"), [*gains, *prices]
    latency = next((one for one in own if one.measure == "latency"), None)
    if latency is not None and latency.likely:
        return "undecided", [f"lower latency is likely, not yet sure: {measured(latency)}", *prices]
    if prices:
        return "leave off", prices
    if latency is None:
        return "undecided", ["no request was answered both with it and without it"]
    if too_small(latency):
        return "undecided", [f"the sample is too small to show a gain: latency {measured(latency)}"]
    return "leave off", [f"no gain was shown: latency {measured(latency)}"]


def _unanswered(before: Stage, stage: Stage) -> Iterator[str]:
    """Yields a reason where more requests than before got no answer."""
    if _failed_share(stage) > _failed_share(before):
        total = len(stage.requests) + stage.failed_requests
        yield f"{stage.failed_requests} of {total} requests got no answer"


def _failed_share(stage: Stage) -> float:
    return stage.failed_requests / max(1, len(stage.requests) + stage.failed_requests)


def _quality(own: Sequence[Comparison]) -> list[Comparison]:
    return [one for one in own if one.kind == "quality"]


def may_move(stage: Stage, one: Comparison, along: Sequence[Stage] = ()) -> bool:
    """Tells whether a step can move a measure: any of speed; of quality, where what it adds may change answers.

    Args:
        stage: The step.
        one: The measure, compared.
        along: The stages that it brings along.
    """
    if one.kind == "speed":
        return True
    names = {stage.name, *(other.name for other in along)}
    if "lobi" in names and one.measure != _RECALL:
        return True
    return "adacomp" in names and one.measure in {
        _RECALL,
        *(measure_of(score) for score in stage.accuracy if score.retrieves),
    }


def _lost(own: Sequence[Comparison], older: Mapping[str, str]) -> Iterator[str]:
    """Yields what quality was lost."""
    for one in _quality(own):
        if one.worsened:
            yield f"it loses {one.measure}: {measured(one)}{_since(one, older)}"


def _open_losses(
    stage: Stage, along: Sequence[Stage], own: Sequence[Comparison], older: Mapping[str, str]
) -> Iterator[str]:
    """Yields what quality may be lost unseen, of what the step can move."""
    for one in own:
        loss = open_loss(one) if may_move(stage, one, along) else None
        if loss:
            yield f"{loss}{_since(one, older)}"


def _since(one: Comparison, older: Mapping[str, str]) -> str:
    """Names the stage that a step is compared with where it is an older one than the stage before."""
    return f" against {older[one.against]}" if one.against in older else ""


def _gains(own: Sequence[Comparison]) -> Iterator[str]:
    """Yields what became better."""
    for one in own:
        if one.improved:
            yield f"{_FALLS.get(one.measure, f'higher {one.measure}')}: {measured(one)}"


def _slower(own: Sequence[Comparison]) -> Iterator[str]:
    """Yields what takes longer, or more."""
    yield from (
        f"{_RISES[one.measure]}: {measured(one)}" for one in own if one.worsened and one.kind == "speed"
    )


def _smaller(before: Stage, stage: Stage) -> Iterator[str]:
    """Yields a reason where the weights take less memory than before."""
    growth = _growth(before, stage)
    if growth <= -_MEMORY:
        yield f"weights {-100 * growth:.0f} % smaller"


def _larger(before: Stage, stage: Stage) -> Iterator[str]:
    """Yields a reason where the weights take more memory than before."""
    growth = _growth(before, stage)
    if growth >= _MEMORY:
        yield f"weights {100 * growth:.0f} % larger"


def _growth(before: Stage, stage: Stage) -> float:
    """Gives by which share the weights grew, in memory or else on disk; 0 where both are unknown."""
    known = [
        (before.memory.weights, stage.memory.weights),
        (before.memory.checkpoint, stage.memory.checkpoint),
    ]
    return next((last / first - 1 for first, last in known if first and last), 0.0)
