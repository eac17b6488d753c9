"""From rows to answers: ours against the best of the others at equal bytes, and what else was promised."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from compression_results import Results, Row

_DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Cell:
    """Ours and the best of others at one model, budget and seed.

    Attributes:
        model: The model.
        budget: Percent of the original's bytes.
        seed: Seed of the calibration text.
        kl: Our divergence, in nats a token.
        best: Name of the best of the others.
        best_kl: Its divergence.
    """

    model: str
    budget: float
    seed: int
    kl: float
    best: str
    best_kl: float

    @property
    def ratio(self) -> float:
        """Ours over the best; under 1 we win."""
        return self.kl / self.best_kl


class Summary:
    """Everything that is computed from the rows of a run.

    Args:
        results: The rows.
        budgets: Percents of the original's bytes.
    """

    def __init__(self, results: Results, budgets: Sequence[float]) -> None:
        self.rows = results.measured()
        self._skipped = [row for row in results if row.skipped is not None]
        self.budgets = budgets
        self.models = list(dict.fromkeys(row.model for row in self.rows))

    def original(self, model: str) -> Row | None:
        """Gives the row of the original."""
        return next((row for row in self.rows if row.model == model and row.family == "bf16"), None)

    def best(self, model: str, budget: float, seed: int, families: Iterable[str]) -> Row | None:
        """Gives the closest of some families whose file is within a budget."""
        original = self.original(model)
        if original is None:
            return None
        most = int(budget / 100 * original.bytes)
        fitting = [
            row
            for row in self.rows
            if row.model == model
            and row.family in families
            and row.seed in {None, seed}
            and row.bytes <= most
        ]
        return min(fitting, key=lambda row: row.kl, default=None)

    def cells(self, method: str, families: Iterable[str]) -> list[Cell]:
        """Compares a method with the best of families, wherever these were measured with the same seed as well."""
        wanted = tuple(families)
        found = []
        for row in self.rows:
            if row.method != method or row.budget not in self.budgets or row.seed is None:
                continue
            best = self.best(row.model, float(row.budget), row.seed, wanted)
            if best is not None and self._has_rivals(row, wanted):
                found.append(Cell(row.model, float(row.budget), row.seed, row.kl, best.method, best.kl))
        return found

    def _has_rivals(self, row: Row, families: Iterable[str]) -> bool:
        """Tells whether a family has a row of this model and seed: a run that was cut short has none yet."""
        return any(
            other.family in families and (other.model, other.seed) == (row.model, row.seed)
            for other in self.rows
        )

    def ratio(self, method: str, families: Iterable[str]) -> dict[str, Any]:
        """Gives the geometric mean of the ratios with a bootstrap interval of 95 % over cells."""
        cells = self.cells(method, families)
        if not cells:
            return {}
        logs = [math.log(cell.ratio) for cell in cells]
        draw = random.Random(0)
        means = sorted(sum(draw.choices(logs, k=len(logs))) / len(logs) for _ in range(_DRAWS))
        worst = max(cells, key=lambda cell: cell.ratio)
        return {
            "geometric_mean": _mean(cells),
            "low": round(math.exp(means[round(0.025 * _DRAWS)]), 4),
            "high": round(math.exp(means[round(0.975 * _DRAWS) - 1]), 4),
            "by_model": {name: _mean([c for c in cells if c.model == name]) for name in _names(cells)},
            "cells": len(cells),
            "above_one": sum(cell.ratio > 1 for cell in cells),
            "worst": asdict(worst) | {"ratio": round(worst.ratio, 4)},
        }

    def curve(self) -> list[dict[str, Any]]:
        """Gives all rows of checkpoints."""
        names = (
            "model",
            "method",
            "family",
            "budget",
            "seed",
            "bytes",
            "perplexity",
            "kl",
            "seconds",
            "stages",
        )
        return [{name: getattr(row, name) for name in names} for row in self.rows if row.family != "bf16"]

    def skipped(self) -> dict[str, str]:
        """Gives the reason of everything that has no checkpoint, once for all seeds with the same one."""
        return {
            f"{row.model} {row.method}" + ("" if row.budget is None else f" at {row.budget:g} %"): str(
                row.skipped
            )
            for row in self._skipped
        }


def _mean(cells: Sequence[Cell]) -> float:
    return round(math.exp(sum(math.log(cell.ratio) for cell in cells) / len(cells)), 4)


def _names(cells: Iterable[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.model for cell in cells))
