"""Elements of an SVG drawing; ElementTree escapes whatever text they hold."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

Attributes = Mapping[str, float | str]


def drawing(width: float, height: float, label: str) -> Element:
    """Starts a drawing that scales with the page.

    Args:
        width: Units across, about pixels.
        height: Units down.
        label: What a screen reader says in place of the drawing.
    """
    return Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "role": "img",
            "aria-label": label,
            "font-family": "system-ui, sans-serif",
            "font-size": "12",
            "fill": "currentColor",
        },
    )


def add(parent: Element, tag: str, attributes: Attributes, content: str = "", hint: str = "") -> Element:
    """Adds an element and gives it.

    Args:
        parent: Where it goes.
        tag: Its name.
        attributes: Its attributes.
        content: Its text.
        hint: Text shown while a pointer rests on it.
    """
    found = SubElement(
        parent,
        tag,
        {
            name: value if isinstance(value, str) else f"{round(value, 2):g}"
            for name, value in attributes.items()
        },
    )
    found.text = content or None
    if hint:
        SubElement(found, "title").text = hint
    return found


def markup(element: Element) -> str:
    """Gives the drawing as text that a page may hold as it is."""
    return tostring(element, encoding="unicode")
