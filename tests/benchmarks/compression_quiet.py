"""Silence for the libraries of the compression benchmark: they read these settings when they are imported."""

from __future__ import annotations

import logging
import os
import warnings


def quiet() -> None:
    """Switches bars, logs and warnings of the libraries off, and look-ups on the network."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("LLM_COMPRESSOR_LOG_LEVEL", "ERROR")
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
