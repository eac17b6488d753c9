"""A colour for every scheme, of Okabe and Ito's palette: told apart with any colour vision."""

from __future__ import annotations

_COLOURS = {
    "W4A16_CHANNEL": "#d55e00",
    "W4A16": "#e69f00",
    "W4A16_G64": "#f0e442",
    "W4A16_G32": "#cc79a7",
    "W8A8": "#0072b2",
    "W8A16": "#56b4e9",
    "W8A16_CHANNEL": "#332288",
    "FP8": "#009e73",
    "BF16": "#bbbbbb",
}
_OTHER = "#777777"

LINE = "#0072b2"
"""The colour of a chart's line."""

DOT = "#d55e00"
"""The colour of a chart's dots."""


def scheme_colour(name: str) -> str:
    """Gives the colour of a scheme."""
    return _COLOURS.get(name, _OTHER)


def ink_on(colour: str) -> str:
    """Gives black or white, whichever is easier to read on a colour (relative luminance of WCAG 2.2)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if luminance > 0.179 else "#ffffff"
