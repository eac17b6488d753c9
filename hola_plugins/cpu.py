"""What this machine's CPU can do."""

from __future__ import annotations

from pathlib import Path

_FACTS = Path("/proc/cpuinfo")


def cpu_flags() -> set[str]:
    """Gives the flags of the CPU, such as ``avx512f``; none where the system does not list them."""
    try:
        lines = _FACTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}
