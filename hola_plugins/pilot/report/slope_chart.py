"""Slope charts: how a measure moves from stage to stage, the baseline being 100 %."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element

from hola_plugins.page.axis import Axis, linear_axis
from hola_plugins.page.chart_parts import draw_rule, draw_ticks_up
from hola_plugins.page.svg import Attributes, add, markup
from hola_plugins.pilot.report.panel import WIDTH, Legend, dashes, lines, panel, shaded

_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, WIDTH - 4, 34.0, 208.0
_LEGEND = 246.0
_NAME_SIZE = 10


@dataclass(frozen=True, slots=True)
class Point:
    """A stage's value relative to the baseline, 1 being no change, with its interval where there is one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One measure over the stages.

    Attributes:
        name: What it is.
        points: One a stage, None where it was not measured.
    """

    name: str
    points: tuple[Point | None, ...]


def slope_chart(title: str, stages: Sequence[str], series: Sequence[Series]) -> str:
    """Draws a chart.

    Args:
        title: What stands over it.
        stages: Titles of the stages, in the order of adoption.
        series: What to draw.

    Returns:
        SVG; empty where no series has two points.
    """
    drawn = [one for one in series if sum(point is not None for point in one.points) > 1]
    if not drawn:
        return ""
    legend = Legend({number: one.name for number, one in enumerate(drawn, 1)})
    svg = panel(_LEGEND + legend.height + 4, title, _label(title, stages, drawn))
    axis = linear_axis([100 * end for one in drawn for end in _ends(one)], _BOTTOM, _TOP)
    draw_ticks_up(svg, axis, _LEFT, _RIGHT, lambda tick: f"{tick:g} %")
    draw_rule(svg, _LEFT, axis.place(100), _RIGHT, axis.place(100), 0.7)
    step = (_RIGHT - _LEFT) / len(stages)
    places = [_LEFT + (number + 0.5) * step for number in range(len(stages))]
    for stage, x in zip(stages, places, strict=True):
        _draw_name(svg, x, stage.removeprefix("+ "), step)
    for number, one in enumerate(drawn, 1):
        shift = 5 * (number - (len(drawn) + 1) / 2)
        _draw_series(shaded(svg, number), number, one, stages, [x + shift for x in places], axis)
    legend.draw(svg, _LEGEND)
    return markup(svg)


def _ends(series: Series) -> list[float]:
    """Gives all numbers that must be visible."""
    points = [point for point in series.points if point is not None]
    return [end for one in points for end in (one.value, one.low, one.high) if end is not None] + [1.0]


def _label(title: str, stages: Sequence[str], series: Sequence[Series]) -> str:
    """Says what the chart shows."""
    parts = [
        f"{one.name}: "
        + ", ".join(
            f"{stage} {100 * point.value:.1f} %"
            for stage, point in zip(stages, one.points, strict=True)
            if point is not None
        )
        for one in series
    ]
    return f"{title}. {'; '.join(parts)}."


def _draw_name(svg: Element, x: float, name: str, width: float) -> None:
    """Writes a stage's title under its place."""
    for number, line in enumerate(lines(name, width, _NAME_SIZE / 2)):
        place: Attributes = {
            "x": x,
            "y": _BOTTOM + 18 + 14 * number,
            "text-anchor": "middle",
            "font-size": _NAME_SIZE,
        }
        add(svg, "text", {"class": "stage-name", **place}, line)


def _draw_series(
    svg: Element, number: int, series: Series, stages: Sequence[str], places: Sequence[float], axis: Axis
) -> None:
    """Draws a line through neighbouring stages, a dot for each, and its interval."""
    at = [
        None if point is None else (x, axis.place(100 * point.value))
        for x, point in zip(places, series.points, strict=True)
    ]
    stroke: Attributes = {"stroke": "currentColor", "stroke-width": 2, **dashes(number)}
    for one, other in pairwise(at):
        if one is not None and other is not None:
            add(svg, "line", {"x1": one[0], "y1": one[1], "x2": other[0], "y2": other[1], **stroke})
    for stage, x, point in zip(stages, places, series.points, strict=True):
        if point is not None:
            _draw_point(svg, x, point, axis, f"{stage}, {series.name}: {100 * point.value:.1f} %")


def _draw_point(svg: Element, x: float, point: Point, axis: Axis, hint: str) -> None:
    """Draws a dot and its interval."""
    if point.low is not None and point.high is not None:
        ends: Attributes = {
            "x1": x,
            "x2": x,
            "y1": axis.place(100 * point.low),
            "y2": axis.place(100 * point.high),
        }
        add(svg, "line", {"class": "interval", "stroke": "currentColor", "stroke-width": 1.5, **ends})
    add(
        svg,
        "circle",
        {"cx": x, "cy": axis.place(100 * point.value), "r": 4, "fill": "currentColor"},
        hint=hint,
    )
