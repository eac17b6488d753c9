"""Where commands put a checkpoint."""

from __future__ import annotations

from pathlib import Path


def check_out(model: str, out: Path, force: bool) -> None:
    """Refuses a place that is taken, before any work.

    Args:
        model: Path or hub id of the model that is read.
        out: Where the checkpoint is to be.
        force: Whether a checkpoint there may be replaced.

    Raises:
        ValueError: If it is taken, or is the model itself.
    """
    from hola_plugins.lobi.staged_folder import check_place

    if out.resolve() == Path(model).resolve():
        raise ValueError(f"{out} is the model itself: give another folder for the new one")
    check_place(out, replace=force)
