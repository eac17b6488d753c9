"""What a tuning found, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hola_plugins.tune.choice import Searched, Tuned
from hola_plugins.tune.limits import Figures
from hola_plugins.tune.search import Trial

_TITLES = {"retrieval": "AdaComp", "lobi": "Lo-Bi", "hsd": "HSD"}

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
    parts += [Text(f"on held-out data {one}", style="red") for one in tuned.broken]
    return Group(*parts)


def _searches(searches: tuple[Searched, ...]) -> Table:
    """Shows every search in a line."""
    table = Table(title="Searched")
    for name in ("method", "trials", "keep the limits", "chosen"):
        table.add_column(name, overflow="fold")
    for one in searches:
        feasible = sum(trial.feasible for trial in one.trials)
        counts = (str(len(one.trials)), str(feasible)) if one.trials else ("", "")
        table.add_row(_TITLES[one.method], *counts, Text(_chosen(one)))
    return table


def _chosen(one: Searched) -> str:
    """Says what a search chose, or why nothing."""
    if one.chosen is None:
        return one.note or ""
    if not one.chosen.settings:
        return f"left out: no setting {'could be measured' if one.unmeasured else 'is better'}"
    return _settings(one.chosen)


def _settings(trial: Trial) -> str:
    return ", ".join(f"{name}: {value}" for name, value in trial.settings.items())


def _failures(searches: tuple[Searched, ...]) -> Iterator[Text]:
    """Says of every search how many settings could not be measured, and why the first could not."""
    for one in searches:
        failed = [trial for trial in one.trials if trial.status == "failed"]
        if failed:
            tried = sum(bool(trial.settings) for trial in one.trials)
            yield Text(
                f"{_TITLES[one.method]}: {len(failed)} of {tried} settings could not be measured and will be tried "
                f"again by the next run; the first ({_settings(failed[0])}): {failed[0].error}",
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
