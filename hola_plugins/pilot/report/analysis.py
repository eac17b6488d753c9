"""Everything that a report says about a pilot, from its results: figures, comparisons, advice and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from hola_plugins.pilot.report.comparison import Comparison, compare_all
from hola_plugins.pilot.report.cost import Cost, cost
from hola_plugins.pilot.report.latency import Speed, speed
from hola_plugins.pilot.report.recommendation import Advice, advise, brought_along, may_move
from hola_plugins.pilot.report.sameness import Sameness, sameness
from hola_plugins.pilot.report.shortages import shortages
from hola_plugins.pilot.report.waiting import as_waited
from hola_plugins.pilot.report.wording import in_short, sentence, too_small, unanswered
from hola_plugins.pilot.results import Results, Stage

_WARNED = {"time to first token", "prompt tokens"}
"""Measures of the same requests as the latency, whose warning is enough."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one stage, without the other stages.

    Attributes:
        stage: Its name.
        title: Its name for people.
        status: done, failed or skipped.
        speed: Its speed; None without an answer.
        cost: Cost of 1,000 answers; None without prices or answers.
        same: Answers that are the baseline's; None where they cannot be compared.
    """

    stage: str
    title: str
    status: str
    speed: Speed | None
    cost: Cost | None
    same: Sameness | None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the report shows.

    Attributes:
        findings: One a stage, in the order of adoption.
        comparisons: Every comparison, corrected for their number.
        advice: One a step after the baseline.
        sentences: Every comparison in words.
        warnings: Where the sample is too small to decide, and what else must be known.
    """

    findings: tuple[Finding, ...]
    comparisons: tuple[Comparison, ...]
    advice: tuple[Advice, ...]
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def analyse(results: Results) -> Analysis:
    """Analyses the results of a pilot.

    Raises:
        ValueError: Two requests of one prompt in one repeat.
    """
    stages = as_waited(results)
    comparisons = compare_all(stages)
    titles = {stage.name: stage.title for stage in results.stages}
    return Analysis(
        findings=tuple(
            _finding(stage, waited, results) for stage, waited in zip(results.stages, stages, strict=True)
        ),
        comparisons=tuple(comparisons),
        advice=tuple(advise(results.stages, comparisons)),
        sentences=tuple(sentence(one, titles) for one in comparisons),
        warnings=(
            *_unanswered(results.stages),
            *_unscored(results.stages),
            *_shortages(comparisons, results, titles),
        ),
    )


def _finding(stage: Stage, waited: Stage, results: Results) -> Finding:
    """Collects what is known of one stage; the search costs time but none of the serving machine's."""
    served, found = (speed(one.requests) if one.status == "done" else None for one in (stage, waited))
    baseline = results.stages[0]
    comparable = stage is not baseline and stage.status == baseline.status == "done"
    return Finding(
        stage=stage.name,
        title=stage.title,
        status=stage.status,
        speed=found,
        cost=None if served is None else cost(served, results.prices, stage.seconds),
        same=sameness(baseline, stage) if comparable else None,
    )


def _unanswered(stages: Sequence[Stage]) -> Iterator[str]:
    """Yields a warning for every stage with requests that got no answer; one for all where they lack as many."""
    done = [stage for stage in stages if stage.status == "done"]
    alike = len(done) > 1 and len({(one.failed_requests, len(one.requests)) for one in done}) == 1
    for stage in done[:1] if alike else done:
        if stage.failed_requests:
            yield unanswered(stage, "every stage" if alike else stage.title)


def _unscored(stages: Sequence[Stage]) -> Iterator[str]:
    """Yields a warning for every score that failed."""
    for stage in stages:
        for task, error in stage.unscored.items():
            yield f"No score of {task} for {stage.title}: {in_short(error)}"


def _shortages(
    comparisons: Sequence[Comparison], results: Results, titles: Mapping[str, str]
) -> Iterator[str]:
    """Gives where a step's sample is too small to decide what the step may change."""
    steps = {stage.name: (stage, brought_along(results.stages, stage)) for stage in results.stages}
    short = []
    for one in comparisons:
        stage, along = steps[one.stage]
        if one.step and one.measure not in _WARNED and may_move(stage, one, along) and too_small(one):
            short.append(one)
    return shortages(short, titles, Fraction(results.prompts, results.repeats))
