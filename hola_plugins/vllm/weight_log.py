"""The lines of vLLM's log that say what weights take; `hola pilot` adds them up."""

from __future__ import annotations

import logging

logger = logging.getLogger("vllm.hola_plugins.weights")
"""Below vLLM's own, so that its lines stand among vLLM's."""


def log_weights(size: int, what: str = "Weights") -> None:
    """Logs what a model's weights take.

    Args:
        size: Bytes in memory.
        what: Whose they are: "Weights" of what vLLM loads, "Draft weights" of the intermediate level.
    """
    logger.info("%s loaded: %d bytes", what, size)
