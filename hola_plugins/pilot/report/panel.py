"""What the charts of a pilot have in common: their size, and text that fits it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from hola_plugins.page.chart_parts import LINE_HEIGHT
from hola_plugins.page.svg import Attributes, add, drawing

WIDTH = 360.0
"""Units across: a phone shows a chart in its own size, so that its text stays readable."""

_MARGIN = 4.0
_KEY = 25.0
"""Units of a legend's line before its name."""

LETTER = 6.4
"""Mean width of a letter, in units."""

SHADES = 6
"""Colours of stages and series, classes ``shade-0`` to ``shade-5`` of the page; further ones begin again."""


def panel(height: float, title: str, label: str) -> Element:
    """Starts a chart with its title.

    Args:
        height: Units down.
        title: What stands over it.
        label: What a screen reader says in place of it.
    """
    svg = drawing(WIDTH, height, label)
    add(svg, "text", {"x": 4, "y": 16, "font-weight": "600", "font-size": 13}, title)
    return svg


def shaded(svg: Element, number: int) -> Element:
    """Adds a group in which ``currentColor`` is that of a stage or series."""
    return add(svg, "g", {"class": f"shade-{number % SHADES}"})


def dashes(number: int) -> Attributes:
    """Gives the dashes of a line, so that colour is not all that tells lines apart."""
    patterns = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2")
    pattern = patterns[number % SHADES]
    return {"stroke-dasharray": pattern} if pattern else {}


class Legend:
    """The names of lines under a chart, as many lines of text as they need.

    Attributes:
        height: Units down.

    Args:
        names: By number of the stage or series.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._places: list[tuple[int, str, float, float]] = []
        x, y = _MARGIN, 0.0
        for number, name in names.items():
            text = shortened(name, WIDTH - 2 * _MARGIN - _KEY)
            width = _KEY + LETTER * len(text)
            if x > _MARGIN and x + width > WIDTH - _MARGIN:
                x, y = _MARGIN, y + LINE_HEIGHT
            self._places.append((number, text, x, y))
            x += width + 12
        self.height = y + LINE_HEIGHT

    def draw(self, svg: Element, top: float) -> None:
        """Draws it."""
        for number, text, x, y in self._places:
            middle = top + y + LINE_HEIGHT / 2
            line: Attributes = {"x1": x, "x2": x + 20, "y1": middle, "y2": middle, "stroke-width": 2}
            add(shaded(svg, number), "line", {"stroke": "currentColor", **line, **dashes(number)})
            add(svg, "text", {"class": "legend", "x": x + _KEY, "y": middle + 4, "font-size": 11}, text)


def shortened(text: str, width: float, letter: float = LETTER) -> str:
    """Gives a text that fits a width, cut with an ellipsis."""
    most = max(1, int(width / letter))
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def lines(text: str, width: float, letter: float) -> Sequence[str]:
    """Breaks a text at a space into two lines at most that fit a width by the width of a letter, each one cut."""
    found: list[str] = []
    for word in text.split():
        if found and (len(found[-1]) + 1 + len(word)) * letter <= width:
            found[-1] += f" {word}"
        else:
            found.append(word)
    kept = (*found[:1], " ".join(found[1:]))
    return [shortened(line, width, letter) for line in kept if line]
