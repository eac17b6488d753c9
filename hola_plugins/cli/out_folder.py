"""Where commands put a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def check_out(model: str, out: Path, force: bool, *, reads: Iterable[Path | str | None], cache: Path) -> None:
    """Refuses a place that is taken, or where something that the command uses would be lost, before any work.

    Args:
        model: Path or hub id of the model that is read.
        out: Where the checkpoint is to be.
        force: Whether a checkpoint there may be replaced.
        reads: What else is read: paths, or hub ids.
        cache: The folder that is kept for other runs.

    Raises:
        ValueError: If it is.
    """
    from hola_plugins.lobi.staged_folder import check_place, staging_of

    if out.resolve() == Path(model).resolve():
        raise ValueError(f"{out} is the model itself: give another folder for the new one")
    for one in (model, *reads):
        path = Path(one).resolve() if one is not None else None
        if path is not None and path.exists() and out.resolve() in path.parents:
            raise ValueError(f"{one} lies in {out}, which the new checkpoint replaces: give another folder")
        if path is not None and path.is_relative_to(staging_of(out)):
            raise ValueError(f"{one} lies where {out} is made, and would be cleared: move it first")
    if cache.resolve().is_relative_to(out.resolve()):
        raise ValueError(
            f"--cache {cache} lies in {out}, which the new checkpoint replaces: give another folder"
        )
    check_place(out, replace=force)


def check_adapter(adapter: Path, out: Path) -> None:
    """Refuses an adapter in the folder of the checkpoint, but for the place that is its own there.

    Args:
        adapter: The folder that is to receive it.
        out: Where the checkpoint is to be.

    Raises:
        ValueError: If it is such a place.
    """
    from hola_plugins.lobi.staged_folder import ADAPTER

    own = out / ADAPTER
    if adapter.resolve().is_relative_to(out.resolve()) and adapter.resolve() != own.resolve():
        raise ValueError(f"--adapter in the folder of the checkpoint must be {own}, got {adapter}")
