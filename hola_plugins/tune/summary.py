"""What a tuning found, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hola_plugins.pilot.report.estimate import LEAST_TURNS
from hola_plugins.tune.choice import TITLES, Searched, Tuned
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.search import Trial

_ROWS = {
    "accuracy": "accuracy",
    "recall": "recall",
    "tokens": "tokens of passages",
    "latency_s": "latency, mean (s)",
    "latency_p95_s": "latency, p95 (s)",
    "memory_gib": "memory (GiB)",
    "checkpoint_mb": "checkpoint (MB)",
    "speedup": "times as fast as the baseline",
}


def render_summary(tuned: Tuned) -> RenderableType:
    """Shows what was searched and chosen, and the figures of the choice in the search and on data held out."""
    parts: list[RenderableType] = [_searches(tuned.searches), *_failures(tuned.searches)]
    if tuned.choice is not None:
        parts.append(_figures(tuned))
    if tuned.infeasible:
        parts.append(Text(tuned.infeasible, style="red"))
    unsound = [*tuned.broken, *filter(None, [tuned.no_gain])]
    parts += [Text(f"on held-out data {one}", style="red") for one in unsound]
    if tuned.unconfirmed:
        text = f"the choice is not measured on held-out data, which the next run tries again: {tuned.unconfirmed}"
        parts.append(Text(text, style="red"))
    return Group(*parts)


def _searches(searches: tuple[Searched, ...]) -> Table:
    """Shows every search in a line."""
    table = Table(title="Searched")
    for name in ("method", "trials", "keep the limits", "chosen"):
        table.add_column(name, overflow="fold")
    for one in searches:
        feasible = sum(trial.feasible for trial in one.trials)
        counts = (str(len(one.trials)), str(feasible)) if one.trials else ("", "")
        table.add_row(TITLES[one.method], *counts, Text(_chosen(one)))
    return table


def _chosen(one: Searched) -> str:
    """Says what a search chose, or why nothing."""
    if one.chosen is None:
        return one.note or ""
    why = one.note or (None if one.chosen.settings else _left_out(one, one.chosen))
    return f"{one.chosen.label}: {why}" if why else one.chosen.label


def _left_out(one: Searched, plain: Trial) -> str:
    """Says why a search chose none of its settings."""
    if one.unmeasured:
        return "no setting could be measured"
    again = next((trial for trial in one.trials if trial.again), None)
    if again is not None:
        return _not_confirmed(again)
    better = [trial for trial in one.trials if trial.feasible and (trial.cost or 0.0) < (plain.cost or 0.0)]
    if not better:
        return "no setting is better"
    best = min(better, key=lambda trial: trial.cost or 0.0)
    found = f"the best ({best.label}) is {best.figures.speedup:.4g} times as fast"
    return f"{found}, and fewer than {LEAST_TURNS} 'repeats' tell no gain from noise"


def _not_confirmed(again: Trial) -> str:
    """Says what the second measurement of the best setting found."""
    best = f"the best ({again.label}), measured once more,"
    if not again.feasible:
        return f"{best} {'failed' if again.status == 'failed' else 'breaks a limit'}"
    found = f"{best} is {again.figures.speedup:.4g} times as fast"
    return (
        f"no setting is better by more than noise; {found} ({len(again.turns)} turns; more prompts tell more)"
    )


def _failures(searches: tuple[Searched, ...]) -> Iterator[Text]:
    """Says of every search how many settings could not be measured, and why the first could not."""
    for one in searches:
        failed = [trial for trial in one.trials if trial.status == "failed"]
        if failed:
            tried = sum(bool(trial.settings) for trial in one.trials)
            yield Text(
                f"{TITLES[one.method]}: {len(failed)} of {tried} settings could not be measured and will be tried "
                f"again by the next run; the first ({failed[0].label}): {failed[0].error}",
                style="red",
            )


def _figures(tuned: Tuned) -> Table:
    """Shows the figures of the choice beside the baseline's."""
    table = Table(title="The choice")
    table.add_column("")
    for name in ("in the search", "held out", "baseline, held out"):
        table.add_column(name, justify="right")
    for row in _rows(tuned.searched, tuned.held_out, tuned.reference):
        table.add_row(*row)
    return table


def _rows(*columns: Figures) -> Iterator[tuple[str, ...]]:
    """Yields the rows of figures that were measured somewhere."""
    for name, title in _ROWS.items():
        values = [getattr(one, name) for one in columns]
        if any(value is not None for value in values):
            yield (title, *("" if value is None else f"{value:.4g}" for value in values))
