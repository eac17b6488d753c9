"""The command that serves a checkpoint in vLLM."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any


def serve_command(model: str, drafting: Mapping[str, Any]) -> str:
    """Gives the command, in the form that vLLM's builds for GPUs and for CPUs both have.

    Args:
        model: Folder or hub id of the target.
        drafting: vLLM's speculative configuration.
    """
    server = ["python", "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    return shlex.join([*server, "--speculative-config", json.dumps(drafting)])
