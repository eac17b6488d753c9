"""The report on disk: the JSON file that was asked for, and the page beside it."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from hola_plugins.lobi.page import render_page

logger = logging.getLogger(__name__)


def write_report(file: Path, report: dict[str, Any]) -> Path:
    """Writes the report as JSON, and as a page under the same name that ends in ``.html``; each in one move.

    Args:
        file: The JSON file; its folder is made.
        report: What `hola_plugins.lobi.report.make_report` gives.

    Returns:
        The page.
    """
    page = file.with_suffix(".html")
    file.parent.mkdir(parents=True, exist_ok=True)
    _write(file, json.dumps(report, indent=1))
    _write(page, render_page(report))
    logger.info("report written to %s and %s", file, page)
    return page


def _write(file: Path, text: str) -> None:
    """Writes a file in one move."""
    staged = file.with_name(f".{file.name}.{os.getpid()}")
    staged.write_text(text, encoding="utf-8")
    staged.replace(file)
