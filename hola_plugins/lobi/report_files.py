"""The report on disk: the JSON file that was asked for, and the page beside it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hola_plugins.files.whole_file import write_json, write_text
from hola_plugins.lobi.page import render_page

logger = logging.getLogger(__name__)


def write_report(file: Path, report: dict[str, Any]) -> Path:
    """Writes the report as JSON, and as a page under the same name that ends in ``.html``; each in one move.

    Args:
        file: The JSON file; its folder is made.
        report: What `hola_plugins.lobi.page.render_page` takes.

    Returns:
        The page.
    """
    page = file.with_suffix(".html")
    write_json(file, report)
    write_text(page, render_page(report))
    logger.info("report written to %s and %s", file, page)
    return page
