"""Scores on disk, keyed by model, data and settings: another budget, or a killed run, does not score again."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hola_plugins.files.input_file import WHOLE_BYTES, read_json
from hola_plugins.files.whole_file import write_json
from hola_plugins.lobi.sensitivity import Scores

logger = logging.getLogger(__name__)


def cached_scores(
    folder: str | None, key: str, allowed: Mapping[str, Sequence[str]], compute: Callable[[], Scores]
) -> Scores:
    """Reads scores, or computes and keeps them; where they cannot be kept, a warning says so.

    Args:
        folder: Where they are kept; None keeps none.
        key: Their key: the fingerprint of model, text and settings.
        allowed: Names of the schemes of every group, of each of which there is a score.
        compute: Computes them.
    """
    if folder is None:
        return compute()
    file = Path(folder) / f"{key}.json"
    if file.is_file():
        found = _read(file, allowed)
        if found is not None:
            logger.info("scores read from %s", file)
            return found
    scores = compute()
    try:
        write_json(file, scores)
    except OSError as error:
        logger.warning("scores are not kept, another run will score again: %s", error)
    return scores


def _read(file: Path, allowed: Mapping[str, Sequence[str]]) -> Scores | None:
    """Reads a file of scores; None, with a warning, where it is not one."""
    try:
        content = read_json(file, WHOLE_BYTES)
        scores = {
            group: {name: float(content[group][name]) for name in names} for group, names in allowed.items()
        }
        if all(math.isfinite(value) for row in scores.values() for value in row.values()):
            return scores
    except (ValueError, LookupError, TypeError, OSError) as error:
        logger.warning("%s is damaged and is written again: %s", file, error)
    return None
