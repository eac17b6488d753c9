"""Arguments of vLLM's server that a configuration may give, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator

_OWN = (
    "model",
    "host",
    "port",
    "dtype",
    "served-model-name",
    "speculative-config",
    "additional-config",
)
"""Arguments that the pilot sets itself."""

_SECRET: Mapping[str, str] = {
    "hf-token": "set HF_TOKEN in the shell, or as environment: {HF_TOKEN: ...}",
    "api-key": "leave it out, for only this machine reaches the pilot's servers; elsewhere set VLLM_API_KEY",
    "watermark-config": "leave it out, as greedy answers are compared here",
}
"""Arguments that hold a secret, which vLLM keeps out of its own log, and what to do instead."""


def _allowed(name: str) -> str:
    """Writes a name with hyphens; refuses what the pilot sets, and secrets, as all others stand in the report."""
    named = name.replace("_", "-")
    if named in _OWN:
        raise ValueError(f"cannot hold {named!r}: the pilot sets it")
    remedy = _SECRET.get(named.partition(".")[0])
    if remedy is not None:
        raise ValueError(f"cannot hold {named!r}: the report shows all that it holds; {remedy}")
    return named


EngineArgument = Annotated[str, AfterValidator(_allowed)]
"""The name of an argument, without the dashes in front; underscores become hyphens."""
