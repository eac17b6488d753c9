"""The line of vLLM's log that says what a model's weights take; `hola pilot` adds these lines up."""

from __future__ import annotations

import logging

logger = logging.getLogger("vllm.hola_plugins.weights")
"""Below vLLM's own, so that its lines stand among vLLM's."""


def log_weights(size: int) -> None:
    """Logs what a model's weights take.

    Args:
        size: Bytes in memory.
    """
    logger.info("Weights loaded: %d bytes", size)
