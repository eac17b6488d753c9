"""The report of a run as one HTML page: no script, nothing loaded from elsewhere, readable in print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hola_plugins.lobi.page.bits_chart import bits_chart
from hola_plugins.lobi.page.curve_chart import curve_chart
from hola_plugins.page import figures
from hola_plugins.page.templates import page_environment

_TEMPLATE = "page.html.jinja"


def render_page(report: Mapping[str, Any]) -> str:
    """Renders the page of a run.

    Args:
        report: What `hola_plugins.lobi.report.make_report` gives, also after a way through JSON, and ``measured``:
            KL and perplexity of the model after the whole recipe, and whether the recipe was calibrated with the
            text they are measured on.

    Returns:
        HTML that is well-formed XML as well. Every text in the report is escaped.
    """
    return (
        page_environment(__name__)
        .get_template(_TEMPLATE)
        .render(
            report=report,
            title=report["name"].rstrip("/").rpartition("/")[2] or report["model"],
            headline=list(_headline(report)),
            bits_chart=bits_chart(report["layers"]),
            curve_chart=curve_chart(report) if report["plans"] else "",
            settings=list(_flat(report["settings"])),
        )
    )


def _headline(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yields what, how much, and a word on it."""
    before, size = report["original"], report["predicted"]["bytes"]
    others = ", ".join(report["other_modifiers"])
    alone = f"; without what {others} did" if others and not report["decided"]["plan"] else ""
    yield (
        "Size",
        figures.from_to(before["bytes"], size),
        f"{figures.share(size, before['bytes'])} of the original{_budget(report)}{alone}",
    )
    after = report["measured"]
    reader = "the recipe" if others else report["settings"]["quantizer"]
    seen = f", which {reader} has seen" if after["seen"] else ""
    how = f"measured on held-out text{seen}{f', with what {others} did' if others else ''}"
    yield "KL to the original", figures.number(after["kl"]), f"nats a token, {how}"
    first, last = before["perplexity"], after["perplexity"]
    yield (
        "Perplexity",
        f"{figures.number(first, 4)} → {figures.number(last, 4)}",
        f"{figures.change(first, last)}, {how}",
    )
    yield "Effective bits", f"{_bits(report):.2f}", f"a weight of the linear layers, scales included{alone}"
    yield "Time", figures.duration(sum(report["seconds"].values())), "in the stages below"


def _budget(report: Mapping[str, Any]) -> str:
    """Gives the budget as it was set."""
    settings = report["settings"]
    if settings["target_ratio"] is not None:
        return f"; budget {100 * settings['target_ratio']:g} %"
    if settings["target_bits"] is not None:
        return f"; budget {settings['target_bits']:g} bits a weight"
    if settings["target_bytes"] is not None:
        return f"; budget {figures.in_bytes(settings['target_bytes'])}"
    return ""


def _bits(report: Mapping[str, Any]) -> float:
    """Gives the mean of stored bits over all linear layers of the decoder."""
    rows = report["layers"]
    weights = sum(int(out * into) for row in rows for out, into in row["shapes"])
    return 8 * sum(int(row["bytes"]) for row in rows) / weights


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields the settings by dotted name."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
