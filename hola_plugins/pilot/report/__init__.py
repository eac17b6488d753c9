"""The report of a pilot: statistics, a recommendation, one HTML page, JSON, and a table for the terminal."""

from __future__ import annotations

try:
    import jinja2  # noqa: F401 - checked before the modules that need it
    import scipy  # noqa: F401
except ImportError as error:
    message = f"'{error.name}' is not installed. Install it with: pip install 'hola-plugins[pilot]'"
    raise ImportError(message) from error

from hola_plugins.pilot.report.files import write_report
from hola_plugins.pilot.report.terminal import print_report

__all__ = ["print_report", "write_report"]
