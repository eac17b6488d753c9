"""What is run: prompts as token ids, dealt out so that no cell sees a prompt twice.

A drafter with a memory of finished outputs (suffix, a shared store) would otherwise find in round two what it saw in
round one, and be credited with reading its own notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from json_lines import read_json_lines

WARM_UP = "warm-up"
MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request.

    Attributes:
        id: Its id in the prompt file.
        category: Its category.
        ids: Token ids.
    """

    id: str
    category: str
    ids: list[int]


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement: the same prompts for every method.

    Attributes:
        workload: Name of the prompt file, or "mixed".
        batch: Requests in flight.
        round: Index of the round.
        prompts: The requests.
    """

    workload: str
    batch: int
    round: int
    prompts: list[Prompt]


class TooFewPromptsError(ValueError):
    """A prompt file is too short for the rounds and batches asked for."""


def load_prompts(path: Path, tokenizer: Any, room: int) -> tuple[list[Prompt], int]:
    """Read and tokenise a prompt file.

    Args:
        path: JSON lines with `prompt`, and perhaps `id` and `category`.
        tokenizer: The target's tokenizer.
        room: Longest prompt, in tokens; longer ones are left out.

    Returns:
        The prompts that fit and the number left out.
    """
    prompts = [
        Prompt(
            str(row.get("id", f"{path.stem}-{number}")),
            str(row.get("category", path.stem)),
            [int(i) for i in tokenizer(row["prompt"]).input_ids],
        )
        for number, row in enumerate(read_json_lines(path))
    ]
    fit = [prompt for prompt in prompts if 0 < len(prompt.ids) <= room]
    if not fit:
        raise TooFewPromptsError(
            f"no prompt of {path} fits into {room} tokens: lower --tokens or shorten the prompts"
        )
    return fit, len(prompts) - len(fit)


def _interleaved(groups: Iterable[Sequence[Prompt]]) -> list[Prompt]:
    return [prompt for turn in zip(*groups, strict=True) for prompt in turn]


class _Dealer:
    """Hands out the prompts of one file, each once."""

    def __init__(self, name: str, prompts: list[Prompt], needed: int, repeat: bool) -> None:
        if needed > len(prompts) and not repeat:
            raise TooFewPromptsError(
                f"workload {name} needs {needed} prompts and has {len(prompts)} that fit: make more (workloads.py "
                "--count), lower --rounds, --requests or --batch, or pass --repeat-prompts (a method that remembers "
                "outputs then profits from seeing a prompt again)"
            )
        self._source = cycle(prompts)

    def take(self, count: int) -> list[Prompt]:
        return list(islice(self._source, count))


def plan(
    workloads: dict[str, list[Prompt]],
    batches: list[int],
    rounds: int,
    requests: int,
    repeat: bool,
) -> tuple[list[Prompt], list[Cell]]:
    """Deal the prompts out over all cells.

    With several workloads a further one, "mixed", interleaves prompts of all of them.

    Args:
        workloads: Prompts by workload.
        batches: Requests in flight, one cell each.
        rounds: Rounds.
        requests: Least requests a cell; a batch above it gets one request a slot.
        repeat: Whether a prompt may come again when they run out.

    Returns:
        Warm-up prompts and the cells in running order.

    Raises:
        TooFewPromptsError: If prompts run out and `repeat` is false.
    """
    sizes = {batch: max(batch, requests) for batch in batches}
    mixing = len(workloads) > 1 and MIXED not in workloads
    shares = {batch: -(-size // len(workloads)) for batch, size in sizes.items()}
    warm_up = max(batches)
    first = next(iter(workloads))
    dealers = {
        name: _Dealer(
            name,
            prompts,
            rounds * (sum(sizes.values()) + mixing * sum(shares.values())) + warm_up * (name == first),
            repeat,
        )
        for name, prompts in workloads.items()
    }
    warm = dealers[first].take(warm_up)
    cells: list[Cell] = []
    for number in range(rounds):
        for batch, size in sizes.items():
            cells += [Cell(name, batch, number, dealer.take(size)) for name, dealer in dealers.items()]
            if mixing:
                groups = [dealer.take(shares[batch]) for dealer in dealers.values()]
                cells.append(Cell(MIXED, batch, number, _interleaved(groups)[:size]))
    return warm, cells
