"""A snapshot of HSD's counters as tables and a chart for the terminal.

Counters: `proposed` tokens are those a level predicted, `matched` those of its predictions that turned
out to be what came, `chosen` those sent to the target in a step that came (`drafted` in all; what vLLM's structured
output takes out of a draft before the target sees it counts too) and `accepted` those the target accepted. A missing counter
is shown as a dash, an unknown one is left out.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hola_plugins.terminal_text import clean_line

_DASH = "-"
_BAR_WIDTH = 32
_SHOWN = 60
"""Characters of foreign text that are shown."""

_BREAKER_STYLES = {"closed": "green", "open": "bold red", "probing": "yellow"}


def render_snapshot(snapshot: Mapping[str, Any]) -> RenderableType:
    """Renders a snapshot.

    Args:
        snapshot: The counters; fields that this version does not know are ignored.

    Raises:
        ValueError: If this is no snapshot, or a known field has another type than it should.
    """
    if not {"levels", "tokens", "calls"} & set(snapshot):
        message = (
            f"a snapshot must have levels, tokens or calls, got the fields {reprlib.repr(sorted(snapshot))}: "
            "give the file that the proposer writes"
        )
        raise ValueError(message)
    return Group(
        _header(snapshot),
        _tokens_table(snapshot),
        Text(),
        _levels_table(_mapping(snapshot, "levels")),
        Text(),
        _step_time_chart(_mapping(snapshot, "step_time_ms"), "tokens in the step"),
        Text(),
        *_uniform_steps(_mapping(snapshot, "uniform_step_time_ms")),
        _state_table(snapshot),
    )


def acceptance_rate(tokens: Mapping[str, Any]) -> float | None:
    """Gives accepted ÷ drafted tokens, or None where nothing was drafted."""
    return _ratio(_number(tokens, "accepted"), _number(tokens, "drafted"))


def mean_acceptance_length(tokens: Mapping[str, Any]) -> float | None:
    """Gives the tokens a row gets from one step, the bonus token included, or None before the first step."""
    accepted = _ratio(_number(tokens, "accepted"), _number(tokens, "rows"))
    return None if accepted is None else 1 + accepted


def _header(snapshot: Mapping[str, Any]) -> RenderableType:
    """Says whose snapshot this is and of when."""
    uptime = _number(snapshot, "uptime_s")
    parts = [
        f"version {_clean(snapshot.get('version', _DASH))}",
        _moment(_number(snapshot, "time")),
        f"up {_DASH if uptime is None else f'{uptime:,.0f} s'}",
        f"{_count(snapshot, 'calls')} calls",
        f"{_count(snapshot, 'requests')} requests",
    ]
    return Panel(Text("  ·  ".join(parts)), title="hierarchical speculative decoding", title_align="left")


def _tokens_table(snapshot: Mapping[str, Any]) -> RenderableType:
    """Shows what drafting brought, and its cost."""
    tokens, cost = _mapping(snapshot, "tokens"), _mapping(snapshot, "draft_us")
    table = _table("tokens", "drafted", "accepted", "emitted", "acceptance rate", "mean acceptance length")
    for percentile in ("p50", "p99"):
        table.add_column(f"draft µs {percentile}", justify="right")
    table.add_row(
        "",
        *(_count(tokens, name) for name in ("drafted", "accepted", "emitted")),
        _percent(acceptance_rate(tokens)),
        _decimal(mean_acceptance_length(tokens)),
        *(_decimal(_number(cost, percentile), 1) for percentile in ("p50", "p99")),
    )
    return table


def _levels_table(levels: Mapping[str, Any]) -> RenderableType:
    """Shows one row a level, cheapest first, as the snapshot has them."""
    if not levels:
        return Text("no levels yet", style="dim")
    counters = ("asked", "proposed", "matched", "chosen", "accepted")
    table = _table("level", *counters, "accepted ÷ chosen", "gate passes", "errors")
    for name in levels:
        level = _mapping(levels, name)
        state = Text(" backed off", style="bold red") if level.get("backed_off") else Text()
        table.add_row(
            Text(_clean(name)),
            *(_count(level, counter) for counter in counters),
            _percent(_ratio(_number(level, "accepted"), _number(level, "chosen"))),
            _percent(_number(level, "gate_pass_rate")),
            Text(_count(level, "errors")) + state,
        )
    return table


def _uniform_steps(step_time: Mapping[str, Any]) -> list[RenderableType]:
    """Draws the time of steps in which every request had a longest draft, where some were measured apart."""
    return [_step_time_chart(step_time, "tokens, longest drafts alone"), Text()] if step_time else []


def _step_time_chart(step_time: Mapping[str, Any], title: str) -> RenderableType:
    """Draws the learned step time over the tokens in the step, one bar a measured size."""
    points = sorted((_step_size(size), _number(step_time, size) or 0.0) for size in step_time)
    if not points:
        return Text("no step times yet", style="dim")
    longest = max(milliseconds for _, milliseconds in points) or 1.0
    table = _table(title, "step time ms")
    table.add_column("")
    for size, milliseconds in points:
        table.add_row(str(size), _decimal(milliseconds), Bar(longest, 0, milliseconds, width=_BAR_WIDTH))
    return table


def _state_table(snapshot: Mapping[str, Any]) -> RenderableType:
    """Shows the control, the memory and the failures."""
    control, store = _mapping(snapshot, "control"), _mapping(snapshot, "store")
    breaker = _clean(control.get("breaker", _DASH))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("control", f"{_clean(control.get('mode', _DASH))}, survival floor {_floor(control)}")
    trips = Text(f" ({_count(control, 'breaker_trips')} trips)")
    table.add_row("breaker", Text(breaker, style=_BREAKER_STYLES.get(breaker, "")) + trips)
    table.add_row("filled up", f"{_count(control, 'filled_calls')} calls, for full CUDA graphs")
    table.add_row(
        "shared store",
        f"{_count(store, 'tokens')} of {_count(store, 'capacity')} tokens, {_bytes(_number(store, 'bytes'))}",
    )
    table.add_row("request index", _bytes(_number(snapshot, "index_bytes")))
    for name in ("errors", "deadlines_missed"):
        style = "bold red" if _number(snapshot, name) else ""
        table.add_row(name.replace("_", " "), Text(_count(snapshot, name), style=style))
    return table


def _table(first: str, *others: str) -> Table:
    """Makes a plain table: names to the left, numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, justify="left", no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _mapping(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Gives a field that is an object; empty where it is missing."""
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        message = f"{name} must be an object, got {reprlib.repr(value)}: the file is damaged or not HSD's"
        raise ValueError(message)  # noqa: TRY004 - the file's fault, not the caller's
    return value


def _number(parent: Mapping[str, Any], name: str) -> float | None:
    """Gives a field that is a number; None where it is missing, null, not finite or huge."""
    value = parent.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{name} must be a number, got {reprlib.repr(value)}: the file is damaged or not HSD's"
        raise ValueError(message)  # noqa: TRY004 - the file's fault, not the caller's
    try:
        return value if math.isfinite(value) else None
    except OverflowError:
        return None


def _step_size(size: object) -> int:
    """Reads a key of the step times."""
    try:
        return int(str(size))
    except ValueError as error:
        message = f"a key of step_time_ms must be a token count, got {reprlib.repr(size)}: the file is damaged or not HSD's"
        raise ValueError(message) from error


def _ratio(part: float | None, whole: float | None) -> float | None:
    """Divides, where there is something to divide by."""
    return None if part is None or not whole else part / whole


def _floor(control: Mapping[str, Any]) -> str:
    """Words the survival floor."""
    return _decimal(_number(control, "survival_floor"))


def _count(parent: Mapping[str, Any], name: str) -> str:
    """Words a count."""
    value = _number(parent, name)
    return _DASH if value is None else f"{value:,.0f}"


def _moment(seconds: float | None) -> str:
    """Words a point in time, given in Unix seconds."""
    if seconds is None:
        return _DASH
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, OSError, ValueError) as error:
        message = f"time must be Unix seconds, got {seconds!r}: the file is damaged or not HSD's"
        raise ValueError(message) from error


def _percent(value: float | None) -> str:
    """Words a share."""
    return _DASH if value is None else f"{value:.1%}"


def _decimal(value: float | None, digits: int = 2) -> str:
    """Words a number with a fixed count of decimals."""
    return _DASH if value is None else f"{value:,.{digits}f}"


def _bytes(value: float | None) -> str:
    """Words a size."""
    return _DASH if value is None else f"{value / 2**20:,.1f} MiB"


def _clean(value: object) -> str:
    """Words the beginning of foreign text, without control characters."""
    return clean_line(str(value)[:_SHOWN])
