"""The report in a terminal: one table of stages, the recommendation, and what to be careful about."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hola_plugins.page.figures import in_bytes, seconds, words
from hola_plugins.pilot.report.analysis import Analysis, Finding, analyse
from hola_plugins.pilot.report.recommendation import Advice, summary
from hola_plugins.pilot.report.scores import scores_by_task
from hola_plugins.pilot.report.wording import change
from hola_plugins.pilot.results import Accuracy, Results, Stage
from hola_plugins.terminal_text import clean_line

STYLES = {
    "switch on": "bold green",
    "weigh": "yellow",
    "undecided": "yellow",
    "leave off": "red",
    "not measured": "dim",
}
"""How a verdict looks."""


def print_report(results: Results, console: Console) -> None:
    """Prints the stages, the recommendation and the warnings.

    Args:
        results: What a pilot found.
        console: Where to.

    Raises:
        ValueError: Results that cannot be reported; see `hola_plugins.pilot.report.analysis.analyse`.
    """
    analysis = analyse(results)
    console.print(_table(results, analysis))
    console.print(_text(summary(analysis.advice), style="bold"))
    for advice in analysis.advice:
        console.print(_advice(advice))
    for warning in analysis.warnings:
        console.print(_text(warning, style="yellow"))


def _table(results: Results, analysis: Analysis) -> Table:
    """Makes one row a stage; columns of which nothing is known are left out."""
    tasks = scores_by_task(results.stages)
    columns = [
        "Stage",
        "Latency",
        "Change",
        "p95",
        "First token",
        "Weights",
        "Peak",
        *(f"{task} {words(metric)}" for task, metric in tasks),
    ]
    rows = [
        _row(stage, finding, _latency_change(stage.name, results, analysis), list(tasks.values()))
        for stage, finding in zip(results.stages, analysis.findings, strict=True)
    ]
    known = [place for place in range(len(columns)) if any(row[place] != "-" for row in rows)]
    table = Table(title=_text(results.title), caption="Change of the mean latency against the baseline")
    for place in known:
        table.add_column(_text(columns[place]), justify="right" if place else "left")
    for row in rows:
        table.add_row(*(_text(row[place]) for place in known))
    return table


def _row(stage: Stage, finding: Finding, latency: str, tasks: list[dict[str, Accuracy]]) -> list[str]:
    """Gives the cells of one stage, a dash where nothing is known."""
    speed, memory = finding.speed, stage.memory
    title = stage.title if stage.status == "done" else f"{stage.title} ({stage.status})"
    return [
        title,
        seconds(speed.latency.mean) if speed else "-",
        latency,
        seconds(speed.latency.p95) if speed else "-",
        seconds(speed.first_token.mean) if speed else "-",
        in_bytes(memory.weights) if memory.weights else "-",
        in_bytes(memory.peak) if memory.peak else "-",
        *(f"{100 * scores[stage.name].value:.1f} %" if stage.name in scores else "-" for scores in tasks),
    ]


def _latency_change(stage: str, results: Results, analysis: Analysis) -> str:
    """Gives the change of the latency against the baseline."""
    wanted = (stage, results.stages[0].name, "latency")
    return next(
        (change(one) for one in analysis.comparisons if (one.stage, one.against, one.measure) == wanted), "-"
    )


def _advice(advice: Advice) -> Text:
    """Writes the recommendation for one step."""
    return Text.assemble(
        (clean_line(f"{advice.method}: "), "bold"),
        (advice.verdict, STYLES[advice.verdict]),
        clean_line(f" - {'; '.join(advice.reasons)}"),
    )


def _text(content: str, style: str = "") -> Text:
    """Gives a line without what the results of others could steer a terminal with."""
    return Text(clean_line(content), style=style)
