"""Where a checkpoint came from: versions, model, text and time, so that it can be made again."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from hola_plugins.lobi.calibration import Batch, Calibration

_PACKAGES = (
    "hola-plugins",
    "llmcompressor",
    "compressed-tensors",
    "transformers",
    "torch",
    "peft",
    "scipy",
)


def provenance(model: Any, text: Calibration) -> dict[str, Any]:
    """Notes what a run read and which software ran it.

    Args:
        model: The model.
        text: Its calibration text.

    Returns:
        Time of making (UTC, ISO 8601), device and dtype of the model, versions by package, and the text: rows,
        tokens and a digest of its token ids.
    """
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": next(model.parameters()).device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "versions": {"python": platform.python_version()} | _versions(),
        "text": {"fitting": _extent(text.fitting), "held_out": _extent(text.held_out)},
    }


def _versions() -> dict[str, str]:
    """Gives the versions of the packages that are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _extent(batches: tuple[Batch, ...]) -> dict[str, Any]:
    """Gives rows, tokens and digest of some text."""
    digest = sha256()
    for batch in batches:
        digest.update(batch.ids.numpy().tobytes())
        digest.update(batch.mask.numpy().tobytes())
    return {
        "rows": sum(len(batch.ids) for batch in batches),
        "tokens": sum(int(batch.mask.sum()) for batch in batches),
        "sha256": digest.hexdigest(),
    }
