"""The chart of bits by layer: roles as rows, layers as columns, coloured by scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from hola_plugins.lobi.page.colours import ink_on, scheme_colour
from hola_plugins.page.figures import words
from hola_plugins.page.svg import Attributes, add, drawing, markup

_LABELS = 104
_CELL = 30
_ROW = 24
_LEGEND_ITEM = 160
_LAYERS_A_BAND = 24
"""Layers beside each other; deeper models continue below."""


def bits_chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draws the chart.

    Args:
        rows: The report's layers, each with layer, role, scheme and bits.
    """
    roles = list(dict.fromkeys(row["role"] for row in rows))
    layers = sorted({row["layer"] for row in rows})
    bands = [layers[first : first + _LAYERS_A_BAND] for first in range(0, len(layers), _LAYERS_A_BAND)]
    schemes = _by_bits(rows)
    width = max(_LABELS + _CELL * len(bands[0]), 2 * _LEGEND_ITEM)
    a_line = width // _LEGEND_ITEM
    band_height = _ROW * (len(roles) + 1) + 12
    legend_height = _ROW * -(-len(schemes) // a_line)
    svg = drawing(width, len(bands) * band_height + legend_height, _label(roles, layers, schemes))
    cells = {(row["role"], row["layer"]): row for row in rows}
    for number, band in enumerate(bands):
        _draw_band(svg, number * band_height, band, roles, cells)
    _draw_legend(svg, len(bands) * band_height, schemes, a_line)
    return markup(svg)


def _by_bits(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Counts the groups of each scheme, fewest bits first."""
    found: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: (row["bits"], row["scheme"])):
        found[row["scheme"]] = found.get(row["scheme"], 0) + 1
    return found


def _label(roles: Sequence[str], layers: Sequence[int], schemes: Mapping[str, int]) -> str:
    """Says what the chart shows."""
    counts = ", ".join(f"{count} in {name}" for name, count in schemes.items())
    return f"Bits by layer: {len(roles)} roles in {len(layers)} layers; {counts}. The table of layers has all figures."


def _draw_band(
    svg: Element,
    top: float,
    layers: Sequence[int],
    roles: Sequence[str],
    cells: Mapping[tuple[str, int], Mapping[str, Any]],
) -> None:
    """Draws all roles of some layers."""
    margin = _LABELS - 8
    add(svg, "text", {"x": margin, "y": top + 16, "text-anchor": "end"}, "layer")
    for line, role in enumerate(roles, 1):
        add(svg, "text", {"x": margin, "y": top + _ROW * line + 16, "text-anchor": "end"}, words(role))
    for column, layer in enumerate(layers):
        left = _LABELS + column * _CELL
        add(svg, "text", {"x": left + _CELL / 2, "y": top + 16, "text-anchor": "middle"}, str(layer))
        for line, role in enumerate(roles, 1):
            if (role, layer) in cells:
                _draw_cell(svg, left, top + _ROW * line, cells[role, layer])


def _draw_cell(svg: Element, left: float, top: float, row: Mapping[str, Any]) -> None:
    """Draws one group with its bits."""
    colour, bits = scheme_colour(row["scheme"]), f"{row['bits']:.3g}"
    hint = f"layer {row['layer']}, {words(row['role'])}: {row['scheme']}, {bits} bits a weight"
    box: Attributes = {"x": left + 1, "y": top + 1, "width": _CELL - 2, "height": _ROW - 2, "rx": 3}
    ink: Attributes = {"fill": ink_on(colour), "font-size": 10, "pointer-events": "none"}
    add(svg, "rect", {"class": "group", "fill": colour, **box}, hint=hint)
    add(svg, "text", {"x": left + _CELL / 2, "y": top + 16, "text-anchor": "middle", **ink}, bits)


def _draw_legend(svg: Element, top: float, schemes: Mapping[str, int], a_line: int) -> None:
    """Draws colour and name of each scheme with the number of its groups."""
    for place, (name, count) in enumerate(schemes.items()):
        left, line = place % a_line * _LEGEND_ITEM, top + place // a_line * _ROW
        box: Attributes = {"x": left + 1, "y": line + 4, "width": 16, "height": 16, "rx": 3}
        add(svg, "rect", {"fill": scheme_colour(name), **box})
        add(svg, "text", {"class": "legend", "x": left + 24, "y": line + 16}, f"{name} ({count})")
