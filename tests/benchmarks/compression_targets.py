"""What Lo-Bi promises besides closeness: files that fit, quality at 45 %, time to decide."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any

from compression_results import Row
from compression_summary import Summary

_LARGE = 8_000_000
"""Bytes in bf16 from which on a model counts as one of four million parameters."""


def targets(summary: Summary) -> dict[str, Any]:
    """Answers what was promised of files, sizes and times, by model."""
    ours = [row for row in summary.rows if row.family == "lobi"]
    sizes = {model: row.bytes for model in summary.models if (row := summary.original(model))}
    return {
        "files": len(ours),
        "files_over_budget": sum(
            row.bytes > int(float(row.budget or 0) / 100 * sizes[row.model]) for row in ours
        ),
        "perplexity_over_bf16_at_45": _quality(summary),
        "allocation_over_gptq": _times([row for row in ours if row.method == "lobi"]),
        "seconds_to_solve_again": {
            "guarded": _again([row for row in ours if row.method == "lobi"]),
            "unguarded": _again([row for row in ours if row.method == "unguarded"]),
        },
    }


def _quality(summary: Summary) -> dict[str, dict[str, float]]:
    """Gives, of models of four million parameters, perplexity over the original's in files of 45 % and less."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in summary.rows:
        original = summary.original(row.model)
        if row.family != "lobi" or original is None or original.bytes < _LARGE:
            continue
        if row.bytes <= 0.45 * original.bytes:
            name = f"{row.method} at {row.budget:g} %, seed {row.seed}"
            found[row.model][name] = round(row.perplexity / original.perplexity, 5)
    return found


def _times(rows: list[Row]) -> dict[str, float]:
    """Gives the median of the seconds of scoring and solving over those of llmcompressor's GPTQ behind it."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if not row.stages["scores_cached"] and not row.stages["float32_products"]:
            seconds = row.stages["seconds"]
            found[row.model].append(seconds["scoring"] / seconds["quantisation"])
    return {model: round(statistics.median(values), 3) for model, values in found.items()}


def _again(rows: list[Row]) -> dict[str, float]:
    """Gives the median seconds of solving from kept scores."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.stages["scores_cached"]:
            found[row.model].append(row.stages["seconds"]["scoring"])
    return {model: round(statistics.median(values), 3) for model, values in found.items()}
