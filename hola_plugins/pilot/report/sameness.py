"""How many answers of a stage are the baseline's, word for word."""

from __future__ import annotations

from dataclasses import dataclass

from hola_plugins.pilot.report.pairing import by_key
from hola_plugins.pilot.results import Stage


@dataclass(frozen=True, slots=True)
class Sameness:
    """Answers to the same prompt by the same model.

    Attributes:
        equal: How many are the baseline's.
        compared: Of how many.
    """

    equal: int
    compared: int


def sameness(baseline: Stage, stage: Stage) -> Sameness | None:
    """Compares answers; None where the model is another one or no prompt went in as it did before.

    A prompt counts as the same where it also has as many tokens: other passages make it another prompt.
    """
    if baseline.model != stage.model:
        return None
    first, second = by_key(baseline), by_key(stage)
    same = [key for key in first.keys() & second.keys() if first[key].tokens_in == second[key].tokens_in]
    if not same:
        return None
    return Sameness(sum(first[key].output == second[key].output for key in same), len(same))
