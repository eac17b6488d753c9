"""The report as one HTML page: no script, nothing loaded from elsewhere, for a screen, a phone and paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from hola_plugins.page import figures
from hola_plugins.page.templates import page_environment
from hola_plugins.pilot.report import wording
from hola_plugins.pilot.report.analysis import Analysis
from hola_plugins.pilot.report.charts import charts
from hola_plugins.pilot.report.comparison import Comparison
from hola_plugins.pilot.report.estimate import LEVEL
from hola_plugins.pilot.report.recommendation import summary
from hola_plugins.pilot.report.scores import score_interval, scores_by_task
from hola_plugins.pilot.report.waiting import includes_search
from hola_plugins.pilot.results import Results

_PACKAGE = "hola_plugins.pilot.report"
_TEMPLATE = "page.html.jinja"
_NAMES = {"latency": "Latency", "time to first token": "Time to first token", "recall": "Recall"}
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Signs that neither XML nor a reader takes, such as colours in a log."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of one step in the table of changes.

    Attributes:
        measure: What was measured.
        baseline: Against the baseline; None where one of them lacks it.
        before: Against the finished step before, which may be the baseline, or for a score that this lacks against the
            last that has it; None where there is none.
    """

    measure: str
    baseline: Comparison | None
    before: Comparison | None


def render_page(results: Results, analysis: Analysis) -> str:
    """Renders the page of a pilot.

    Args:
        results: What a pilot found.
        analysis: What `hola_plugins.pilot.report.analysis.analyse` makes of it.

    Returns:
        HTML that is well-formed XML as well. Every text in the results is escaped.
    """
    environment = page_environment(_PACKAGE)
    environment.filters |= {
        "seconds": figures.seconds,
        "change": wording.change,
        "interval": wording.interval,
        "points": lambda value: f"{wording.signed(100 * value)} points",
        "percent": lambda value: f"{100 * value:.1f} %",
        "copyable": _copyable,
    }
    titles = {stage.name: stage.title for stage in results.stages}
    page = environment.get_template(_TEMPLATE).render(
        results=results,
        analysis=analysis,
        summary=summary(analysis.advice),
        tiles=list(_tiles(results, analysis)),
        charts=charts(results, analysis),
        changes=list(_changes(results, analysis)),
        stages=list(zip(results.stages, analysis.findings, strict=True)),
        tasks=scores_by_task(results.stages),
        score_interval=score_interval,
        insignificant=[wording.statement(one, titles) for one in analysis.comparisons if not one.significant],
        includes_search=includes_search(results),
        level=f"{100 * LEVEL:.0f} %",
    )
    return _UNPRINTABLE.sub("\ufffd", page)


def _copyable(content: dict[str, object] | str) -> str:
    """Writes settings as JSON, and a command as it is typed."""
    if isinstance(content, str):
        return content
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def _tiles(results: Results, analysis: Analysis) -> Iterator[tuple[str, str, str]]:
    """Yields what, how much, and a word on it: the last finished stage against the baseline."""
    done = [place for place, stage in enumerate(results.stages) if stage.status == "done"]
    if len(done) < 2 or done[0] != 0:
        return
    first, last = results.stages[0], results.stages[done[-1]]
    against = {
        one.measure: one
        for one in analysis.comparisons
        if (one.stage, one.against) == (last.name, first.name)
    }
    for measure, one in against.items():
        if measure != "prompt tokens":
            reach = wording.interval(one)
            yield _NAMES.get(measure, measure), wording.change(one), reach and f"95 % interval {reach}"
    if first.memory.weights and last.memory.weights:
        share = figures.share(last.memory.weights, first.memory.weights)
        yield (
            "Weights",
            figures.from_to(first.memory.weights, last.memory.weights),
            f"{share} of the baseline's",
        )
    costs = analysis.findings[0].cost, analysis.findings[done[-1]].cost
    if costs[0] is not None and costs[1] is not None:
        figure = f"{costs[0].total:.3g} → {costs[1].total:.3g} {results.prices.currency}"
        yield "1,000 answers", figure, "at the prices given"


def _changes(results: Results, analysis: Analysis) -> Iterator[tuple[str, list[Row]]]:
    """Yields the title of every compared step and its rows."""
    baseline = results.stages[0].name
    for stage in results.stages[1:]:
        own = [one for one in analysis.comparisons if one.stage == stage.name]
        against = {one.measure: one for one in own if one.against == baseline}
        before = {one.measure: one for one in own if one.step}
        rows = [
            Row(measure, against.get(measure), before.get(measure))
            for measure in dict.fromkeys(one.measure for one in own)
        ]
        if rows:
            yield stage.title, rows
