"""Results as they come, in a file of JSON lines: a run that was cut short, or split, goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One checkpoint, measured; or why there is none.

    Attributes:
        model: Name of the model's folder.
        method: What made it.
        family: rtn, gptq, awq, mixture, autoround, autoround_whole, modelopt, lobi; bf16 for the original.
        budget: Percent of the original's bytes it was made for; None for one that was made for none.
        seed: Seed of the calibration text; None for what reads none.
        setting: What it was measured with: files, rows, lengths.
        bytes: Bytes of the weight files.
        perplexity: On the evaluation text.
        kl: KL divergence from the original in nats a token.
        seconds: Time of the whole run, loading left out.
        stages: Seconds of single stages, and other facts.
        skipped: The reason, where there is no checkpoint.
    """

    model: str
    method: str
    family: str
    budget: float | None
    seed: int | None
    setting: str
    bytes: int = 0
    perplexity: float = 0.0
    kl: float = 0.0
    seconds: float = 0.0
    stages: dict[str, Any] = field(default_factory=dict)
    skipped: str | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same measurement as another."""
        return self.model, self.method, self.budget, self.seed, self.setting


class Results:
    """All rows of a run.

    Args:
        file: File of JSON lines that keeps them; None keeps them in memory alone. What was skipped is tried
            again by the next run.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._rows: dict[tuple[Any, ...], Row] = {}
        if file is not None and file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                row = Row(**json.loads(line))
                if row.skipped is None:
                    self._rows[row.key] = row

    def __contains__(self, key: tuple[Any, ...]) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def add(self, row: Row) -> None:
        """Adds a row and writes it down at once."""
        self._rows[row.key] = row
        if self._file is not None:
            with self._file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(row)) + "\n")

    def measured(self, model: str | None = None) -> list[Row]:
        """Gives the rows with a checkpoint, of one model or of all."""
        return [row for row in self if row.skipped is None and model in {None, row.model}]
