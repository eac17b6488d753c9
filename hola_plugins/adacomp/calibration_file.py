"""A calibration as a JSON file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from hola_plugins.adacomp.calibration import Calibration
from hola_plugins.adacomp.decision import DepthBounds
from hola_plugins.adacomp.logistic import LogisticModel
from hola_plugins.files.input_file import SETTINGS_BYTES, read_json
from hola_plugins.files.whole_file import write_json

FORMAT = 1
"""Version of the file's layout."""


def save(calibration: Calibration, path: Path) -> None:
    """Writes the file, whole or not at all."""
    write_json(path, as_json(calibration))


def load(path: Path, *, links: bool = True) -> Calibration:
    """Reads the file.

    Args:
        path: The file.
        links: Whether it may be a link.

    Raises:
        ValueError: A file that is not a calibration of this version; the message names it and the remedy.
        OSError: A file that cannot be read.
    """
    try:
        return from_json(read_json(path, SETTINGS_BYTES, links=links))
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{str(path)!r} must be a calibration of format {FORMAT}, got something else ({error}): "
            "write one with save_calibration"
        ) from error


def as_json(calibration: Calibration) -> dict[str, Any]:
    """Gives the calibration as JSON; a threshold that never cuts is null."""
    model = calibration.model
    return {
        "format": FORMAT,
        "promise": calibration.promise,
        "target": calibration.target,
        "labels": calibration.labels,
        "reach": calibration.reach,
        "k_min": calibration.bounds.k_min,
        "k_max": calibration.bounds.k_max,
        "false_skips": calibration.false_skips,
        "floor_labels": calibration.floor_labels,
        "threshold": _finite(calibration.threshold),
        "floor": _finite(calibration.floor),
        "bias": model.bias,
        "signals": [
            {"name": name, "mean": mean, "scale": scale, "weight": weight}
            for name, mean, scale, weight in zip(
                calibration.signals,
                *(part.tolist() for part in (model.mean, model.scale, model.weights)),
                strict=True,
            )
        ],
    }


def from_json(content: dict[str, Any]) -> Calibration:
    """Reads what `as_json` gave; the share and the labels of the none-gate may be missing.

    Raises:
        KeyError: A part is missing.
        ValueError: Another format, or a value out of range.
    """
    if content["format"] != FORMAT:
        raise ValueError(f"format must be {FORMAT}, got {content['format']!r}")
    if content["promise"] not in {"coverage", "recall"}:
        raise ValueError(f"promise must be coverage or recall, got {content['promise']!r}")
    columns = content["signals"]
    mean, scale, weights = (
        np.array([float(column[part]) for column in columns]) for part in ("mean", "scale", "weight")
    )
    shares = [content["target"], content["reach"]]
    if not (np.isfinite([*mean, *scale, *weights, content["bias"], *shares]).all() and (scale > 0.0).all()):
        raise ValueError("mean, weight, bias, target and reach must be finite and scale over 0")
    false_skips = content.get("false_skips")
    if false_skips is not None and not 0.0 < false_skips < 1.0:
        raise ValueError(f"false_skips must be over 0 and under 1 or null, got {false_skips}")
    return Calibration(
        signals=tuple(str(column["name"]) for column in columns),
        model=LogisticModel(mean, scale, weights, float(content["bias"])),
        threshold=_number(content["threshold"]),
        floor=_number(content["floor"]),
        promise=content["promise"],
        target=float(content["target"]),
        labels=int(content["labels"]),
        reach=float(content["reach"]),
        bounds=DepthBounds(int(content["k_min"]), int(content["k_max"])),
        false_skips=false_skips,
        floor_labels=int(content.get("floor_labels", 0)),
    )


def _finite(value: float) -> float | None:
    """Writes -inf, which JSON lacks, as null; a threshold of inf (keep the least) as a huge number."""
    return None if value == -math.inf else min(value, 1e300)


def _number(value: float | None) -> float:
    """Reads what `_finite` gave."""
    if value is None:
        return -math.inf
    if not math.isfinite(value):
        raise ValueError(f"threshold and floor must be finite or null, got {value}")
    return float(value)
