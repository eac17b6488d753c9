"""Documents as calibration rows: tokenised, packed end to end, cut to one length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from jinja2 import TemplateError

from hola_plugins.lobi.calibration_file import Document
from hola_plugins.lobi.config import LoBiError

LEAST_ROWS = 8
"""Fewer rows than this calibrate nothing."""


def make_rows(
    documents: Sequence[Document], tokenizer: Any, samples: int, length: int, seed: int
) -> list[dict[str, torch.Tensor]]:
    """Draws documents in an order fixed by the seed until the rows are full.

    Args:
        documents: Texts and chats.
        tokenizer: The model's; chats go through its template, where it has one.
        samples: Most rows.
        length: Tokens of a row.
        seed: Seed of the order.

    Returns:
        Rows of input_ids and attention_mask, int64[length] each.

    Raises:
        LoBiError: If the documents fill fewer than `LEAST_ROWS` rows.
    """
    ids: list[int] = []
    for document in random.Random(seed).sample(documents, len(documents)):  # noqa: S311 - an order, no secret
        ids += _token_ids(document, tokenizer)
        if len(ids) >= samples * length:
            break
    count = min(samples, len(ids) // length)
    if count < LEAST_ROWS:
        raise LoBiError(
            f"the calibration data has {len(ids)} tokens, {len(ids) // length} sequences of {length}: give at "
            f"least {LEAST_ROWS} (some dozens are of use), or a smaller sequence length"
        )
    rows = torch.tensor(ids[: count * length]).reshape(count, length)
    return [{"input_ids": row, "attention_mask": torch.ones_like(row)} for row in rows]


def _token_ids(document: Document, tokenizer: Any) -> list[int]:
    """Gives the ids of a document, its end marked where the tokenizer has a token for it."""
    if not isinstance(document, str) and getattr(tokenizer, "chat_template", None):
        text = _templated(document, tokenizer)
        return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    plain = document if isinstance(document, str) else "\n".join(one["content"] for one in document)
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [*tokenizer(plain, verbose=False)["input_ids"], *end]


def _templated(chat: list[dict[str, str]], tokenizer: Any) -> str:
    """Writes a chat as the model's template has it."""
    try:
        text: str = tokenizer.apply_chat_template(chat, tokenize=False)
    except TemplateError as error:
        roles = ", ".join(one["role"] for one in chat)
        raise LoBiError(
            f"the model's chat template does not take the roles {roles} ({error}): change them, or give 'text'"
        ) from error
    return text
