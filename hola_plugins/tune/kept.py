"""Trials that are none of optuna's: measured once, and kept beside its journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hola_plugins.pilot.state import State, digest
from hola_plugins.tune.search import Trial


def kept_trial(state: State, name: str, measure: Callable[[], Trial]) -> Trial:
    """Gives a trial, measured where that is not finished; one that failed is not kept.

    Args:
        state: What is finished.
        name: A name that says what the trial follows from.
        measure: Measures it.
    """
    key = digest(list(Trial.model_fields))
    found: Any = state.get(name, key)
    if found is not None:
        return Trial.model_validate(found)
    trial = measure()
    if trial.status == "done":
        state.put(name, key, trial.model_dump(mode="json"))
    return trial
