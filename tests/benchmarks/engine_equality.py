"""Is a method's output that of plain vLLM? And if not, was it a tie?

Greedy speculation must give the same tokens. In bfloat16 two tokens often have the same logit up to rounding, and a
step over five tokens rounds otherwise than a step over one, so an engine without any fault may differ there. Each
first difference is therefore put back to the engine of `none`: a small gap between the two tokens is a tie, a large one
an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine_plan import Cell
    from engine_pool import Worker

TIE = 0.25
"""Largest gap of two log probabilities that rounding explains: two steps of bfloat16 at logits of 16 to 32."""


@dataclass(frozen=True, slots=True)
class Difference:
    """First place at which a row leaves the reference.

    Attributes:
        row: Index of the request in its cell.
        position: Index of the output token.
        expected: The reference's token.
        got: The method's token.
    """

    row: int
    position: int
    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one method's outputs of one cell compare with the reference.

    Attributes:
        differing: Rows that differ.
        ties: Differing rows that a tie explains.
        largest_gap: Largest gap of log probabilities at a first difference; infinite if the token was not among the
            engine's twenty best.
    """

    differing: int
    ties: int
    largest_gap: float


def differences(outputs: list[list[int]], reference: list[list[int]]) -> list[Difference]:
    """Find the first difference of every row that has one.

    Args:
        outputs: Output ids by row.
        reference: Output ids of `none`, of the same lengths.
    """
    found = []
    for row, (mine, theirs) in enumerate(zip(outputs, reference, strict=True)):
        for position, (got, expected) in enumerate(zip(mine, theirs, strict=True)):
            if got != expected:
                found.append(Difference(row, position, expected, got))
                break
    return found


def judge(outputs: list[list[int]], reference: list[list[int]], cell: Cell, none: Worker) -> Verdict:
    """Compare outputs with the reference and put the differences to the engine of `none`.

    Args:
        outputs: Output ids by row.
        reference: Output ids of `none`.
        cell: What was run.
        none: The engine without speculation.
    """
    found = differences(outputs, reference)
    if not found:
        return Verdict(0, 0, 0.0)
    gaps = none.gaps(
        [cell.prompts[d.row].ids + reference[d.row][: d.position] for d in found],
        [[d.expected, d.got] for d in found],
    )
    return Verdict(len(found), sum(gap <= TIE for gap in gaps), max(gaps))
