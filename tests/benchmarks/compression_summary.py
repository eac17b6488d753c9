"""From rows to answers: ours against the best of the others at equal bytes, and what else was promised."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from compression_results import Results, Row

BY_HAND = ("rtn", "gptq", "awq", "mixture")
"""Families of what people do without measuring: uniform schemes and mixtures."""

_DRAWS = 2_000
_LARGE = 8_000_000
"""Bytes in bf16 from which on a model counts as one of four million parameters."""


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
        self._rows = results.measured()
        self._skipped = [row for row in results if row.skipped is not None]
        self.budgets = budgets
        self.models = list(dict.fromkeys(row.model for row in self._rows))

    def original(self, model: str) -> Row | None:
        """Gives the row of the original."""
        return next((row for row in self._rows if row.model == model and row.family == "bf16"), None)

    def best(self, model: str, budget: float, seed: int, families: Iterable[str]) -> Row | None:
        """Gives the closest of some families whose file is within a budget."""
        original = self.original(model)
        if original is None:
            return None
        most = int(budget / 100 * original.bytes)
        fitting = [
            row
            for row in self._rows
            if row.model == model
            and row.family in families
            and row.seed in {None, seed}
            and row.bytes <= most
        ]
        return min(fitting, key=lambda row: row.kl, default=None)

    def cells(self, method: str, families: Iterable[str]) -> list[Cell]:
        """Compares a method with the best of families, wherever both have a checkpoint."""
        wanted = tuple(families)
        found = []
        for row in self._rows:
            if row.method != method or row.budget not in self.budgets or row.seed is None:
                continue
            best = self.best(row.model, float(row.budget), row.seed, wanted)
            if best is not None:
                found.append(Cell(row.model, float(row.budget), row.seed, row.kl, best.method, best.kl))
        return found

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

    def targets(self) -> dict[str, Any]:
        """Answers what was promised of files, sizes and times."""
        ours = [row for row in self._rows if row.family == "lobi"]
        return {
            "files_over_budget": sum(row.bytes > self._most(row) for row in ours),
            "files": len(ours),
            "large_within_one_percent_at_45": self._large_models(),
            "scoring_and_solving_over_gptq": self._times(),
            "solving_again_seconds": self._again(),
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
        return [{name: getattr(row, name) for name in names} for row in self._rows if row.family != "bf16"]

    def skipped(self) -> dict[str, str]:
        """Gives the reason of everything that has no checkpoint, once for all seeds with the same one."""
        return {
            f"{row.model} {row.method}" + ("" if row.budget is None else f" at {row.budget:g} %"): str(
                row.skipped
            )
            for row in self._skipped
        }

    def _most(self, row: Row) -> int:
        original = self.original(row.model)
        return 0 if original is None else int(float(row.budget or 0) / 100 * original.bytes)

    def _large_models(self) -> dict[str, Any]:
        """Gives, of the models of four million parameters, perplexity over the original's at 45 % or less."""
        found: dict[str, Any] = {}
        for row in self._rows:
            original = self.original(row.model)
            if (
                row.method == "lobi"
                and original
                and original.bytes >= _LARGE
                and row.bytes <= 0.45 * original.bytes
            ):
                ratio = round(row.perplexity / original.perplexity, 5)
                found.setdefault(row.model, {})[f"{row.budget:g} %, seed {row.seed}"] = ratio
        return found

    def _times(self) -> dict[str, float]:
        """Gives, by model, time of Lo-Bi's first allocation over that of its own GPTQ run, the median."""
        found: dict[str, list[float]] = {}
        for row in self._rows:
            if row.method == "lobi" and not row.stages.get("scores_cached"):
                rest = row.seconds - sum(row.stages[name] for name in _STAGES if name in row.stages)
                found.setdefault(row.model, []).append(row.stages["allocation"] / rest)
        return {model: round(sorted(values)[len(values) // 2], 3) for model, values in found.items()}

    def _again(self) -> dict[str, dict[str, float]]:
        """Gives, by model, the median seconds of an allocation from kept scores, with the guard and without."""
        found: dict[str, dict[str, list[float]]] = {}
        for row in self._rows:
            if row.method in {"lobi", "unguarded"} and row.stages.get("scores_cached"):
                found.setdefault(row.model, {}).setdefault(row.method, []).append(row.stages["allocation"])
        return {
            model: {method: round(sorted(values)[len(values) // 2], 3) for method, values in by.items()}
            for model, by in found.items()
        }


_STAGES = ("pruning", "recovery", "allocation")


def _mean(cells: Sequence[Cell]) -> float:
    return round(math.exp(sum(math.log(cell.ratio) for cell in cells) / len(cells)), 4)


def _names(cells: Iterable[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.model for cell in cells))
