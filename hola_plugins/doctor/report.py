"""Findings as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hola_plugins.doctor.finding import Finding, Status, can_run

_STYLES = {
    Status.OK: "green",
    Status.NOTE: "yellow",
    Status.ABSENT: "dim",
    Status.PROBLEM: "bold red",
}


def render_findings(findings: Sequence[Finding]) -> RenderableType:
    """Renders one row a finding, and the verdict; a remedy stands under its value."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("check")
    table.add_column("status")
    table.add_column("found, and → what to do", overflow="fold")
    for finding in findings:
        text = Text(finding.value)
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", style="cyan")
        style = _STYLES[finding.status]
        table.add_row(finding.name, Text(finding.status.value, style=style), text)
    return Group(table, Text(), _verdict(findings))


def findings_as_json(findings: Sequence[Finding]) -> str:
    """Writes the findings as one JSON object: `can_run`, whether none is a problem, and `findings`."""
    rows = [asdict(finding) for finding in findings]
    return json.dumps({"can_run": can_run(findings), "findings": rows}, indent=2)


def _verdict(findings: Sequence[Finding]) -> Text:
    """Says whether HSD can run, or that it need not here."""
    elsewhere = any(finding.status is Status.ABSENT for finding in findings)
    if not can_run(findings):
        count = sum(finding.status is Status.PROBLEM for finding in findings)
        what = "HSD is not for this environment, which has" if elsewhere else "HSD cannot run:"
        return Text(f"{what} {count} problem(s), see → above.", style="bold red")
    if elsewhere:
        return Text("No problem here; HSD is not for this environment.", style="bold green")
    return Text("HSD can run.", style="bold green")
