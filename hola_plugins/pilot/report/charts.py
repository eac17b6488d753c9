"""The charts of the page, made of results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from hola_plugins.page.figures import in_bytes, words
from hola_plugins.pilot.report.analysis import Analysis
from hola_plugins.pilot.report.bar_chart import bar_chart
from hola_plugins.pilot.report.comparison import Comparison
from hola_plugins.pilot.report.distribution_chart import Latencies, box_chart, share_chart
from hola_plugins.pilot.report.scores import scores_by_task
from hola_plugins.pilot.report.slope_chart import Point, Series, slope_chart
from hola_plugins.pilot.report.waiting import as_waited
from hola_plugins.pilot.results import Accuracy, Results, Stage


@dataclass(frozen=True, slots=True)
class Charts:
    """SVG by the section that shows it; each without those of which nothing is known."""

    slopes: tuple[str, ...]
    latency: tuple[str, ...]
    memory: tuple[str, ...]


def charts(results: Results, analysis: Analysis) -> Charts:
    """Draws all charts."""
    latencies = [
        Latencies(number, stage.title, tuple(request.latency_s for request in stage.requests))
        for number, stage in enumerate(as_waited(results))
        if stage.status == "done" and stage.requests
    ]
    drawn = (share_chart(latencies), box_chart(latencies)) if latencies else ()
    return Charts(
        slopes=tuple(filter(None, _slopes(results, analysis))),
        latency=drawn,
        memory=tuple(filter(None, _memory(results))),
    )


def _slopes(results: Results, analysis: Analysis) -> Iterator[str]:
    """Yields latency, memory and accuracy from stage to stage, the baseline being 100 %."""
    stages = results.stages
    if stages[0].status != "done":
        return
    titles = [stage.title for stage in stages]
    yield slope_chart("Latency", titles, _latency(results, analysis))
    yield slope_chart(
        "Memory",
        titles,
        [
            _relative("weights", stages, lambda stage: stage.memory.weights),
            _relative("peak of the process", stages, lambda stage: stage.memory.peak),
        ],
    )
    yield slope_chart("Accuracy", titles, list(_quality(stages)))


def _latency(results: Results, analysis: Analysis) -> list[Series]:
    """Gives the mean with its paired interval, and the 95th percentile."""
    baseline = results.stages[0].name
    found: dict[str, Comparison] = {
        one.stage: one for one in analysis.comparisons if (one.against, one.measure) == (baseline, "latency")
    }
    means = [Point(1.0)] + [
        Point(
            found[stage.name].estimate.value, found[stage.name].estimate.low, found[stage.name].estimate.high
        )
        if stage.name in found
        else None
        for stage in results.stages[1:]
    ]
    p95 = {one.stage: one.speed.latency.p95 for one in analysis.findings if one.speed is not None}
    return [
        Series("mean, with its interval", tuple(means)),
        _relative("95th percentile", results.stages, lambda stage: p95.get(stage.name)),
    ]


def _quality(stages: tuple[Stage, ...]) -> Iterator[Series]:
    """Yields a series a task, and recall."""
    for (task, metric), scores in scores_by_task(stages).items():
        yield _relative(f"{task} {words(metric)}", stages, _value_in(scores))
    yield _relative(
        "recall", stages, lambda stage: stage.retrieval.recall if stage.retrieval is not None else None
    )


def _value_in(scores: Mapping[str, Accuracy]) -> Callable[[Stage], float | None]:
    """Gives what finds the value of a stage's score."""
    return lambda stage: scores[stage.name].value if stage.name in scores else None


def _relative(name: str, stages: tuple[Stage, ...], value: Callable[[Stage], float | None]) -> Series:
    """Gives a value of every stage relative to the baseline's."""
    reference = value(stages[0])
    values = [value(stage) if stage.status == "done" else None for stage in stages]
    return Series(
        name, tuple(Point(one / reference) if reference and one is not None else None for one in values)
    )


def _memory(results: Results) -> Iterator[str]:
    """Yields the bars of weights, of the process, and of the files."""
    titles = [stage.title for stage in results.stages]
    done = [stage.memory if stage.status == "done" else None for stage in results.stages]
    for title, part in (
        ("Weights in memory", "weights"),
        ("Peak of the engine's processes", "peak"),
        ("Weight files", "checkpoint"),
    ):
        values = [None if memory is None else getattr(memory, part) for memory in done]
        yield bar_chart(title, titles, values, in_bytes)
