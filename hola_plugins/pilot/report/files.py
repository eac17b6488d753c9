"""The report on disk: the page, and beside it everything that it says as JSON."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from hola_plugins.files.whole_file import write_json, write_text
from hola_plugins.pilot.report.analysis import analyse
from hola_plugins.pilot.report.page import render_page
from hola_plugins.pilot.results import Results

logger = logging.getLogger(__name__)


def write_report(results: Results, out: Path) -> Path:
    """Writes ``report.html`` and ``report.json``, each in one move.

    Args:
        results: What a pilot found.
        out: The folder; it is made.

    Returns:
        The page.

    Raises:
        ValueError: Results that cannot be reported; see `hola_plugins.pilot.report.analysis.analyse`.
        OSError: If there is no room or no right to write.
    """
    analysis = analyse(results)
    page = out / "report.html"
    write_json(
        out / "report.json", {"results": results.model_dump(mode="json"), "analysis": asdict(analysis)}
    )
    write_text(page, render_page(results, analysis))
    logger.info("report written to %s", page)
    return page
