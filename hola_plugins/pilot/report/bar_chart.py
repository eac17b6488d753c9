"""Bars: one value a stage, beside its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hola_plugins.page.svg import Attributes, add, markup
from hola_plugins.pilot.report.panel import WIDTH, panel, shaded, shortened

_LABELS, _VALUES = 104.0, 74.0
_TOP, _ROW = 30.0, 26.0


def bar_chart(
    title: str, stages: Sequence[str], values: Sequence[float | None], text: Callable[[float], str]
) -> str:
    """Draws a row a stage that has a value.

    Args:
        title: What stands over it.
        stages: Titles of the stages.
        values: One a stage, from 0; None where it is unknown.
        text: Writes a value.

    Returns:
        SVG; empty without values.
    """
    rows = [
        (number, stage, value)
        for number, (stage, value) in enumerate(zip(stages, values, strict=True))
        if value is not None
    ]
    if not rows:
        return ""
    label = f"{title}: " + ", ".join(f"{stage} {text(value)}" for _, stage, value in rows) + "."
    svg = panel(_TOP + _ROW * len(rows) + 8, title, label)
    longest = max(value for _, _, value in rows) or 1.0
    for line, (number, stage, value) in enumerate(rows):
        middle = _TOP + _ROW * (line + 0.5)
        width = (WIDTH - _LABELS - _VALUES) * value / longest
        add(svg, "text", {"x": 4, "y": middle + 4, "font-size": 11}, shortened(stage, _LABELS - 8))
        bar: Attributes = {"x": _LABELS, "y": middle - 8, "width": max(1.0, width), "height": 16, "rx": 2}
        add(
            shaded(svg, number),
            "rect",
            {"class": "bar", "fill": "currentColor", **bar},
            hint=f"{stage}: {text(value)}",
        )
        add(svg, "text", {"x": _LABELS + width + 6, "y": middle + 4, "font-size": 11}, text(value))
    return markup(svg)
