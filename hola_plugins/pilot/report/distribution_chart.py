"""The distribution of latency: the share of requests answered by then, and boxes with the same quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np

from hola_plugins.page.axis import Axis, linear_axis, log_axis
from hola_plugins.page.chart_parts import draw_rule, draw_ticks_up
from hola_plugins.page.figures import seconds
from hola_plugins.page.svg import Attributes, add, markup
from hola_plugins.pilot.report.panel import WIDTH, Legend, dashes, panel, shaded, shortened

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, WIDTH - 14, 30.0, 208.0
_LEGEND = 248.0
_ROW = 34.0
_LABELS = 104.0
_STEPS = 200
"""Quantiles that a curve is drawn through; more would not be seen."""

_WIDE = 20
"""Ratio of slow to fast requests from which the axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """The latencies of one stage.

    Attributes:
        number: Place of the stage, which gives its colour.
        title: Its name for people.
        seconds: One a request, one at least.
    """

    number: int
    title: str
    seconds: tuple[float, ...]


def share_chart(stages: Sequence[Latencies]) -> str:
    """Draws the share of requests that are answered after so many seconds (the empirical distribution)."""
    legend = Legend({stage.number: stage.title for stage in stages})
    label = _label("Share of requests answered", stages)
    svg = panel(_LEGEND + legend.height + 4, "Share of requests answered by then", label)
    across = _axis(stages, _LEFT)
    up = Axis((0, 25, 50, 75, 100), _BOTTOM, _TOP)
    draw_ticks_up(svg, up, _LEFT, _RIGHT, lambda tick: f"{tick:g} %")
    _draw_scale(svg, across, _BOTTOM)
    for stage in stages:
        shares = np.linspace(0, 1, min(_STEPS, len(stage.seconds)) + 1)[1:]
        quantiles = np.quantile(stage.seconds, shares, method="inverted_cdf")
        points = _stairs(
            [across.place(float(q)) for q in quantiles], [up.place(100 * float(s)) for s in shares]
        )
        line: Attributes = {
            "fill": "none",
            "stroke": "currentColor",
            "stroke-width": 2,
            **dashes(stage.number),
        }
        add(shaded(svg, stage.number), "polyline", {"points": points, **line}, hint=stage.title)
    legend.draw(svg, _LEGEND)
    return markup(svg)


def box_chart(stages: Sequence[Latencies]) -> str:
    """Draws a row a stage: from the 5th to the 95th percentile, a box for the middle half, its median, the mean."""
    bottom = _TOP + _ROW * len(stages)
    svg = panel(bottom + 42, "Spread of latency", _label("Spread of latency", stages))
    across = _axis(stages, _LABELS)
    for tick in across.ticks:
        draw_rule(svg, across.place(tick), _TOP, across.place(tick), bottom, 0.15)
    _draw_scale(svg, across, bottom)
    for line, stage in enumerate(stages):
        _draw_box(svg, _TOP + _ROW * (line + 0.5), stage, across)
    return markup(svg)


def _axis(stages: Sequence[Latencies], left: float) -> Axis:
    """Gives the axis of seconds, logarithmic where fast and slow are far apart."""
    values = [value for stage in stages for value in stage.seconds]
    if min(values) > 0 and max(values) > _WIDE * min(values):
        return log_axis(values, left, _RIGHT)
    return linear_axis(values, left, _RIGHT)


def _draw_scale(svg: Element, across: Axis, bottom: float) -> None:
    """Draws the axis of seconds; every second tick has a number where there are many."""
    for tick in across.ticks[:: 2 if len(across.ticks) > 6 else 1]:
        x = across.place(tick)
        add(svg, "text", {"class": "tick-x", "x": x, "y": bottom + 18, "text-anchor": "middle"}, f"{tick:g}")
    draw_rule(svg, across.start, bottom, across.end, bottom, 0.6)
    middle = (across.start + across.end) / 2
    add(svg, "text", {"x": middle, "y": bottom + 36, "text-anchor": "middle", "font-size": 11}, "seconds")


def _stairs(across: Sequence[float], up: Sequence[float]) -> str:
    """Gives the points of a rising stair from the bottom."""
    points = [(across[0], _BOTTOM)]
    for x, y in zip(across, up, strict=True):
        points += [(x, points[-1][1]), (x, y)]
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)


def _draw_box(svg: Element, middle: float, stage: Latencies, across: Axis) -> None:
    """Draws the row of one stage."""
    quantiles = [float(value) for value in np.quantile(stage.seconds, (0.05, 0.25, 0.5, 0.75, 0.95))]
    x5, x25, x50, x75, x95 = (across.place(value) for value in quantiles)
    mean = float(np.mean(stage.seconds))
    hint = (
        f"{stage.title}: median {seconds(quantiles[2])}, mean {seconds(mean)}, "
        f"95th percentile {seconds(quantiles[4])}"
    )
    add(svg, "text", {"x": 4, "y": middle + 4, "font-size": 11}, shortened(stage.title, _LABELS - 8))
    group = shaded(svg, stage.number)
    ink: Attributes = {"stroke": "currentColor", "stroke-width": 2}
    add(group, "line", {"x1": x5, "x2": x95, "y1": middle, "y2": middle, **ink}, hint=hint)
    box: Attributes = {"x": x25, "y": middle - 8, "width": max(1.0, x75 - x25), "height": 16, "rx": 2}
    add(group, "rect", {**box, "fill": "currentColor", "fill-opacity": 0.3, **ink}, hint=hint)
    add(group, "line", {"x1": x50, "x2": x50, "y1": middle - 8, "y2": middle + 8, **ink, "stroke-width": 3})
    add(
        group, "circle", {"cx": across.place(mean), "cy": middle, "r": 3.5, "fill": "currentColor"}, hint=hint
    )


def _label(what: str, stages: Sequence[Latencies]) -> str:
    """Says what the chart shows."""
    medians = ", ".join(f"{stage.title} {seconds(float(np.median(stage.seconds)))}" for stage in stages)
    return f"{what} of {len(stages)} stages; medians: {medians}. The table of latency has all figures."
