"""Parts that charts have in common: rules, ticks along an axis, and labels that do not touch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree.ElementTree import Element

from hola_plugins.page.axis import Axis
from hola_plugins.page.svg import Attributes, add

LINE_HEIGHT = 15.0
"""Units from one line of text to the next."""


def plain(value: float) -> str:
    """Gives the number at a tick."""
    return f"{value:g}"


def draw_rule(svg: Element, x1: float, y1: float, x2: float, y2: float, opacity: float) -> None:
    """Draws a thin line."""
    ink: Attributes = {"stroke": "currentColor", "stroke-opacity": opacity}
    add(svg, "line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, **ink})


def draw_ticks_across(svg: Element, axis: Axis, bottom: float) -> None:
    """Draws the ticks of a horizontal axis under ``bottom``."""
    for tick in axis.ticks:
        x = axis.place(tick)
        add(svg, "text", {"class": "tick-x", "x": x, "y": bottom + 18, "text-anchor": "middle"}, plain(tick))
        draw_rule(svg, x, bottom, x, bottom + 4, 0.6)


def draw_ticks_up(
    svg: Element, axis: Axis, left: float, right: float, text: Callable[[float], str] = plain
) -> None:
    """Draws the ticks of a vertical axis before ``left``, each with a rule as far as ``right``."""
    for tick in axis.ticks:
        y = axis.place(tick)
        add(svg, "text", {"class": "tick-y", "x": left - 8, "y": y + 4, "text-anchor": "end"}, text(tick))
        draw_rule(svg, left, y, right, y, 0.15)


def apart(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Moves heights apart by a line each, in their order, between the top and the bottom."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    found = list(heights)
    least = top
    for place in order:
        found[place] = max(found[place], least)
        least = found[place] + LINE_HEIGHT
    most = bottom
    for place in reversed(order):
        found[place] = min(found[place], most)
        most = found[place] - LINE_HEIGHT
    return found
