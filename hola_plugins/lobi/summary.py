"""The outcome of a run for the terminal: what it was, what it is, and how to serve it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from hola_plugins.page.figures import in_bytes

HSD = {
    "method": "custom_class",
    "model": "hola_plugins.vllm.HSDProposer",
    "num_speculative_tokens": 8,
}
"""vLLM's speculative configuration of HSD."""


def render_summary(report: Mapping[str, Any]) -> Table:
    """Renders the table of a finished run.

    Args:
        report: Its report, as lobi_report.json in the checkpoint holds it.
    """
    before, after, predicted = report["original"], report["measured"], report["predicted"]
    size = report["run"]["bytes"]
    table = Table(caption="perplexity and KL: on text kept from the calibration data")
    for column in ("", "before", "after"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("size", in_bytes(before["bytes"]), f"{in_bytes(size)} ({size / before['bytes']:.1%})")
    table.add_row("perplexity", f"{before['perplexity']:.3f}", f"{after['perplexity']:.3f}")
    table.add_row("KL to the original, nats a token", "0", f"{after['kl']:.5f}")
    if "bits" in predicted:
        table.add_row("bits a weight, scales included", "", f"{predicted['bits']:.2f}")
        table.add_row("plan", "", str(predicted["origin"]))
    if report["cut"] is not None:
        table.add_row("cut to", "", ", ".join(f"{name} {value}" for name, value in report["cut"].items()))
    table.add_row("seconds", "", f"{report['run']['seconds']:.0f}")
    return table
