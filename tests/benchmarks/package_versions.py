"""Versions of what decides a result."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Gives the version of Python and of each of these packages that is installed."""
    found = {"python": sys.version.split()[0]}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
