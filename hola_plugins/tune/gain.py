"""Whether the choice as a whole is better than the pilot's baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from hola_plugins.tune.limits import Figures, Limit, broken


def missing_gain(
    minimise: Literal["latency", "memory"], limits: Sequence[Limit], reference: Figures, tuned: Figures
) -> str | None:
    """Says why there is no reason to change from the baseline to the choice.

    Args:
        minimise: What decides; between checkpoints of one size, latency does.
        limits: The limits; a baseline that breaks one has to be changed at any cost.
        reference: Figures of the baseline.
        tuned: Figures of the choice, on the same data.

    Returns:
        The reason; None where the choice is better, or the baseline breaks a limit.
    """
    if broken(limits, reference):
        return None
    before, after = reference.checkpoint_mb, tuned.checkpoint_mb
    if minimise == "memory" and before and after and before != after:
        worse, found = after > before, f"its checkpoint has {after:.4g} MB, the baseline's {before:.4g}"
    else:
        speedup = tuned.speedup or 0.0
        worse, found = speedup <= 1.0, f"it is {speedup:.3g} times as fast"
    kept = ", which keeps all limits too" if limits else ""
    return f"the choice is not better than the pilot's baseline{kept}: {found}" if worse else None
