"""The chart of size against KL: the solver's expectation as a line, what was measured as named dots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from hola_plugins.lobi.page.axis import Axis, linear_axis, log_axis
from hola_plugins.lobi.page.colours import DOT, LINE
from hola_plugins.lobi.page.figures import byte_unit, in_bytes, number
from hola_plugins.lobi.page.svg import add, drawing, markup

_LEFT, _RIGHT, _TOP, _BOTTOM = 80.0, 560.0, 56.0, 356.0
_HEIGHT = 400
_LABELS = _RIGHT + 32
_LETTER = 7.4
_LINE = 15.0


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
    for tick in across.ticks:
        place = across.place(tick)
        add(svg, "text", f"{tick:g}", class_="tick-x", x=place, y=_BOTTOM + 18, text_anchor="middle")
        _draw_rule(svg, place, _BOTTOM, place, _BOTTOM + 4, 0.6)
    for tick in up.ticks:
        place = up.place(tick)
        add(svg, "text", f"{tick:g}", class_="tick-y", x=_LEFT - 8, y=place + 4, text_anchor="end")
        _draw_rule(svg, _LEFT, place, _RIGHT, place, 0.15)
    _draw_rule(svg, _LEFT, _BOTTOM, _RIGHT, _BOTTOM, 0.6)
    add(svg, "text", title, x=(_LEFT + _RIGHT) / 2, y=_BOTTOM + 38, text_anchor="middle")
    middle = (_TOP + _BOTTOM) / 2
    turned = {"transform": f"rotate(-90 14 {middle:g})", "text_anchor": "middle"}
    add(svg, "text", "KL to the original, nats a token", x=14, y=middle, **turned)


def _draw_rule(svg: Element, x1: float, y1: float, x2: float, y2: float, opacity: float) -> None:
    """Draws a thin line."""
    add(svg, "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke="currentColor", stroke_opacity=opacity)


def _draw_limit(svg: Element, place: float, limit: int) -> None:
    """Draws the budget."""
    dashes = {"stroke": "currentColor", "stroke_dasharray": "6 4", "stroke_width": 1.5}
    hint = f"budget: {in_bytes(limit)}"
    add(svg, "line", hint=hint, class_="budget", x1=place, y1=_TOP, x2=place, y2=_BOTTOM, **dashes)
    beside = min(max(place, _LEFT + 56), _RIGHT - 56)
    add(svg, "text", hint, x=beside, y=_TOP - 8, text_anchor="middle")


def _draw_line(svg: Element, points: Sequence[tuple[float, float, int, float]]) -> None:
    """Draws what the solver expects of its plans."""
    if not points:
        return
    path = " ".join(f"{x:.2f},{y:.2f}" for x, y, _, _ in points)
    add(svg, "polyline", points=path, fill="none", stroke=LINE, stroke_width=2)
    for x, y, size, kl in points:
        hint = f"expected: {in_bytes(size)}, KL {number(kl)}"
        add(svg, "circle", hint=hint, class_="expected", cx=x, cy=y, r=2.5, fill=LINE)


def _draw_plans(
    svg: Element, plans: Sequence[Mapping[str, Any]], places: Sequence[tuple[float, float]]
) -> None:
    """Draws what was measured: a dot each, the chosen one larger and square, with names to the right."""
    heights = _apart([y for _, y in places])
    for number_, ((x, y), height) in reversed(list(enumerate(zip(places, heights, strict=True)))):
        plan, chosen = plans[number_], number_ == 0
        name = _name(plan, chosen=chosen)
        hint = f"{name}: {in_bytes(plan['bytes'])}, KL {number(plan['kl'])}"
        bend = f"{x:.2f},{y:.2f} {_RIGHT + 8:g},{height:.2f} {_LABELS - 6:g},{height:.2f}"
        add(svg, "polyline", points=bend, fill="none", stroke="currentColor", stroke_opacity=0.35)
        edge = {"fill": DOT, "stroke": "#000000", "stroke_width": 1}
        if chosen:
            turn = f"rotate(45 {x:.2f} {y:.2f})"
            box = {"x": x - 6, "y": y - 6, "width": 12, "height": 12}
            add(svg, "rect", hint=hint, class_="measured chosen", transform=turn, **box, **edge)
        else:
            add(svg, "circle", hint=hint, class_="measured", cx=x, cy=y, r=4.5, **edge)
        weight = "bold" if chosen else "normal"
        add(svg, "text", name, class_="name", x=_LABELS, y=height + 4, font_weight=weight)


def _name(plan: Mapping[str, Any], *, chosen: bool) -> str:
    """Gives the name beside a dot."""
    return f"{plan['origin']} (chosen)" if chosen else str(plan["origin"])


def _apart(heights: Sequence[float]) -> list[float]:
    """Moves heights apart by a line each, in their order, between the top and the bottom."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    found = list(heights)
    least = _TOP
    for place in order:
        found[place] = max(found[place], least)
        least = found[place] + _LINE
    most = _BOTTOM
    for place in reversed(order):
        found[place] = min(found[place], most)
        most = found[place] - _LINE
    return found


def _draw_legend(svg: Element) -> None:
    """Says what line, dot and square are."""
    add(svg, "line", x1=_LEFT, y1=16, x2=_LEFT + 24, y2=16, stroke=LINE, stroke_width=2)
    add(svg, "text", "expected of the solver's plans", x=_LEFT + 30, y=20)
    add(svg, "circle", cx=_LEFT + 232, cy=16, r=4.5, fill=DOT, stroke="#000000")
    add(svg, "text", "measured on held-out text", x=_LEFT + 242, y=20)
