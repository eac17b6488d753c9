"""The report of a draft, draft.json: what it is, how often it is accepted, what it costs, whether it pays."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hola_plugins.files.whole_file import write_json
from hola_plugins.lobi.draft.acceptance import measure_acceptance
from hola_plugins.lobi.draft.config import DraftConfig
from hola_plugins.lobi.draft.making import Made
from hola_plugins.lobi.draft.payoff import expect_payoff, verdict
from hola_plugins.lobi.draft.source import DraftSource
from hola_plugins.lobi.model_source import is_quantised, load_model, size_on_disk

REPORT_FILE = "draft.json"
"""The report's name in the checkpoint."""


def report_draft(
    source: DraftSource, config: DraftConfig, made: Made, folder: Path, start: str | None = None
) -> dict[str, Any]:
    """Measures the acceptance of the draft as it was saved, and writes the report.

    Args:
        source: The target and its prompts.
        config: The settings.
        made: What was made.
        folder: The checkpoint, which receives the report.
        start: The model that was started from, if any.

    Returns:
        What draft.json holds; draft lengths are keys, so they are strings.
    """
    draft, _ = load_model(str(folder))
    found = measure_acceptance(draft, made.lesson.held_out)
    draft_cost, target_cost = made.costs
    payoff = expect_payoff(found, draft_cost, target_cost)
    report = {
        "model": source.model,
        "start": start,
        "settings": config.model_dump(),
        "provenance": made.provenance,
        "prompts": source.made_of,
        "target": asdict(made.target) | {"bytes": made.target.parameters * made.dtype.itemsize},
        "draft": asdict(made.extent) | {"bytes": size_on_disk(folder)},
        "cut": made.cut and {"channels": made.cut.channels, "kv_heads": made.cut.kv_heads},
        "kept_layers": made.kept_layers,
        "untrained": asdict(made.before),
        "training": asdict(made.learned),
        "acceptance": asdict(found),
        "cost": {"draft": asdict(draft_cost), "target": asdict(target_cost), "timed": _timed(draft, made)},
        "payoff": asdict(payoff) | {"verdict": verdict(payoff)},
        "seconds": made.seconds,
    }
    write_json(folder / REPORT_FILE, report)
    written: dict[str, Any] = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    return written


def _timed(draft: Any, made: Made) -> str:
    """Says what was timed: layers of few bits are as fast as an engine's kernels make them, and are not."""
    dtype = str(made.timed_in).removeprefix("torch.")
    before = ", the draft before it was quantised" if is_quantised(draft.config) else ""
    return f"in transformers, in {dtype}{before}"
