"""A model to start a draft from: its tokenizer is the target's, and its vocabulary is made as large."""

from __future__ import annotations

import logging
from typing import Any

import torch

from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.model_source import is_quantised, load_model, read_config, read_tokenizer

logger = logging.getLogger(__name__)


def load_start(start: str, tokenizer: Any, vocabulary: int) -> Any:
    """Loads a model to start from.

    Models of one family share a tokenizer and may pad their vocabularies differently, and vLLM wants them equal.

    Args:
        start: Path or hub id.
        tokenizer: The target's.
        vocabulary: Size of the target's vocabulary, padding included.

    Raises:
        LoBiError: If it is quantised, or has another tokenizer.
    """
    if is_quantised(read_config(start)):
        raise LoBiError(
            f"{start} is quantised, and its weights cannot be trained: start from what it was made of"
        )
    if read_tokenizer(start).get_vocab() != tokenizer.get_vocab():
        raise LoBiError(f"{start} has another vocabulary than the target: a draft must have its tokenizer")
    model = load_model(start)[0]
    own = model.config.get_text_config().vocab_size
    if own != vocabulary:
        logger.info("the vocabulary of %s is resized from %d to the target's %d", start, own, vocabulary)
        resize_vocabulary(model, vocabulary)
    return model


def resize_vocabulary(model: Any, size: int) -> None:
    """Cuts or adds rows of the embedding and the head at their ends, in place.

    Those that are added are the mean of the others, so that in the head they are never the likeliest.

    Args:
        model: A causal language model of transformers.
        size: Rows there are to be.
    """
    own = model.config.get_text_config().vocab_size
    model.resize_token_embeddings(size, mean_resizing=False)
    with torch.no_grad():
        for module in (model.get_input_embeddings(), model.get_output_embeddings()):
            for rows in module.parameters():
                rows[own:] = rows[:own].float().mean(0)
