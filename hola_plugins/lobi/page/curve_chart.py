"""The chart of size against KL: the solver's expectation as a line, what was measured as named dots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from hola_plugins.lobi.page.colours import DOT, LINE
from hola_plugins.page.axis import Axis, linear_axis, log_axis
from hola_plugins.page.chart_parts import apart, draw_rule, draw_ticks_across, draw_ticks_up
from hola_plugins.page.figures import byte_unit, in_bytes, number
from hola_plugins.page.svg import Attributes, add, drawing, markup

_LEFT, _RIGHT, _TOP, _BOTTOM = 80.0, 560.0, 56.0, 356.0
_HEIGHT = 400
_LABELS = _RIGHT + 32
_LETTER = 7.4


def curve_chart(report: Mapping[str, Any]) -> str:
    """Draws the chart.

    Args:
        report: The report of a run with an allocation.
    """
    plans, limit = report["plans"], report["allowed"]["bytes"]
    line = [(one["bytes"], report["unquantised"]["kl"] + one["score"]) for one in report["curve"]]
    sizes = [*(size for size, _ in line), *(one["bytes"] for one in plans), limit]
    unit, one_unit = byte_unit(max(sizes))
    across = linear_axis([size / one_unit for size in sizes], _LEFT, _RIGHT)
    up = log_axis([*(kl for _, kl in line), *(one["kl"] for one in plans)], _BOTTOM, _TOP)
    longest = max(len(_name(one, chosen=place == 0)) for place, one in enumerate(plans))
    svg = drawing(_LABELS + longest * _LETTER + 8, _HEIGHT, _label(plans, limit))
    _draw_axes(svg, across, up, f"size of model.safetensors, {unit}")
    _draw_limit(svg, across.place(limit / one_unit), limit)
    _draw_line(svg, [(across.place(size / one_unit), up.place(kl), size, kl) for size, kl in line])
    _draw_plans(svg, plans, [(across.place(one["bytes"] / one_unit), up.place(one["kl"])) for one in plans])
    _draw_legend(svg)
    return markup(svg)


def _label(plans: Sequence[Mapping[str, Any]], limit: int) -> str:
    """Says what the chart shows."""
    best = plans[0]
    return (
        f"Size against KL divergence: {len(plans)} plans measured under a budget of {in_bytes(limit)}; "
        f"chosen was {best['origin']} with {in_bytes(best['bytes'])} and KL {number(best['kl'])}. "
        "The table of plans has all figures."
    )


def _draw_axes(svg: Element, across: Axis, up: Axis, title: str) -> None:
    """Draws ticks, grid and titles."""
    draw_ticks_across(svg, across, _BOTTOM)
    draw_ticks_up(svg, up, _LEFT, _RIGHT)
    draw_rule(svg, _LEFT, _BOTTOM, _RIGHT, _BOTTOM, 0.6)
    add(svg, "text", {"x": (_LEFT + _RIGHT) / 2, "y": _BOTTOM + 38, "text-anchor": "middle"}, title)
    middle = (_TOP + _BOTTOM) / 2
    turned: Attributes = {"transform": f"rotate(-90 14 {middle:g})", "text-anchor": "middle"}
    add(svg, "text", {"x": 14, "y": middle, **turned}, "KL to the original, nats a token")


def _draw_limit(svg: Element, x: float, limit: int) -> None:
    """Draws the budget."""
    hint = f"budget: {in_bytes(limit)}"
    dashes: Attributes = {"stroke": "currentColor", "stroke-dasharray": "6 4", "stroke-width": 1.5}
    add(svg, "line", {"class": "budget", "x1": x, "y1": _TOP, "x2": x, "y2": _BOTTOM, **dashes}, hint=hint)
    inside = min(max(x, _LEFT + 56), _RIGHT - 56)
    add(svg, "text", {"x": inside, "y": _TOP - 8, "text-anchor": "middle"}, hint)


def _draw_line(svg: Element, points: Sequence[tuple[float, float, int, float]]) -> None:
    """Draws what the solver expects of its plans."""
    if not points:
        return
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y, _, _ in points)
    add(svg, "polyline", {"points": path, "fill": "none", "stroke": LINE, "stroke-width": 2})
    for x, y, size, kl in points:
        hint = f"expected: {in_bytes(size)}, KL {number(kl)}"
        add(svg, "circle", {"class": "expected", "cx": x, "cy": y, "r": 2.5, "fill": LINE}, hint=hint)


def _draw_plans(
    svg: Element, plans: Sequence[Mapping[str, Any]], places: Sequence[tuple[float, float]]
) -> None:
    """Draws what was measured, the chosen plan last and so on top, with names to the right."""
    heights = apart([y for _, y in places], _TOP, _BOTTOM)
    for rank in reversed(range(len(plans))):
        (x, y), height, name = places[rank], heights[rank], _name(plans[rank], chosen=rank == 0)
        bend = f"{x:.2f},{y:.2f} {_RIGHT + 8:g},{height:.2f} {_LABELS - 6:g},{height:.2f}"
        thin: Attributes = {"fill": "none", "stroke": "currentColor", "stroke-opacity": 0.35}
        add(svg, "polyline", {"points": bend, **thin})
        hint = f"{name}: {in_bytes(plans[rank]['bytes'])}, KL {number(plans[rank]['kl'])}"
        _draw_dot(svg, x, y, hint, chosen=rank == 0)
        weight = "bold" if rank == 0 else "normal"
        add(svg, "text", {"class": "name", "x": _LABELS, "y": height + 4, "font-weight": weight}, name)


def _draw_dot(svg: Element, x: float, y: float, hint: str, *, chosen: bool) -> None:
    """Draws a measured plan: a circle, or a larger square on its corner for the chosen one."""
    edge: Attributes = {"fill": DOT, "stroke": "#000000"}
    if not chosen:
        add(svg, "circle", {"class": "measured", "cx": x, "cy": y, "r": 4.5, **edge}, hint=hint)
        return
    turned = f"rotate(45 {x:.2f} {y:.2f})"
    box: Attributes = {"x": x - 6, "y": y - 6, "width": 12, "height": 12, "transform": turned}
    add(svg, "rect", {"class": "measured chosen", **box, **edge}, hint=hint)


def _name(plan: Mapping[str, Any], *, chosen: bool) -> str:
    """Gives the name beside a dot."""
    return f"{plan['origin']} (chosen)" if chosen else str(plan["origin"])


def _draw_legend(svg: Element) -> None:
    """Says what line and dots are."""
    stroke: Attributes = {"x1": _LEFT, "x2": _LEFT + 24, "stroke": LINE, "stroke-width": 2}
    add(svg, "line", {"y1": 16, "y2": 16, **stroke})
    add(svg, "text", {"x": _LEFT + 30, "y": 20}, "expected of the solver's plans")
    add(svg, "circle", {"cx": _LEFT + 232, "cy": 16, "r": 4.5, "fill": DOT, "stroke": "#000000"})
    add(svg, "text", {"x": _LEFT + 242, "y": 20}, "measured on held-out text")
