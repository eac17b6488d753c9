"""`hola` over a file of settings, run as a user runs it, on the embedded target."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from engine_process import MODEL

ROOT = Path(__file__).parents[2]
WAIT_S = 600
SETTINGS: Mapping[str, Any] = {
    "model": str(MODEL),
    "prompts": "prompts.jsonl",
    "repeats": 2,
    "concurrency": 2,
    "max_tokens": 12,
    "engine": {
        "max-model-len": 512,
        "max-num-seqs": 8,
        "enforce-eager": True,
        "kv-cache-memory-bytes": 32 << 20,
    },
    "lobi": {"device": "cpu_avx2", "samples": 8, "sequence_length": 64},
}
"""What the pilots under test share."""


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def start(command: str, settings: Mapping[str, Any], path: Path) -> subprocess.Popen[str]:
    """Writes the settings and starts the command over them."""
    path.write_text(yaml.safe_dump(dict(settings)))
    return subprocess.Popen(
        [sys.executable, "-m", "hola_plugins.cli", command, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )


def finish(process: subprocess.Popen[str], status: int) -> str:
    """Waits for the command's end, and gives what it said; it must end with this status."""
    output, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == status, output[-4000:]
    return output
