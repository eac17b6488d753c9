"""Documents as calibration rows: tokenised, packed end to end, cut to one length."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch

from hola_plugins.lobi.calibration_file import Document
from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.document_ids import plain_ids, templated_ids

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
    rows = packed(ids, samples, length)
    if len(rows) < LEAST_ROWS:
        raise LoBiError(
            f"the calibration data has {len(ids)} tokens, {len(ids) // length} sequences of {length}: give at "
            f"least {LEAST_ROWS} (some dozens are of use), or a smaller sequence length"
        )
    return rows


def packed(ids: Sequence[int], samples: int, length: int) -> list[dict[str, torch.Tensor]]:
    """Cuts ids into as many rows as they fill; what is left over goes.

    Args:
        ids: Token ids, end to end.
        samples: Most rows.
        length: Tokens of a row.

    Returns:
        Rows of input_ids and attention_mask, int64[length] each.
    """
    count = min(samples, len(ids) // length)
    rows = torch.tensor(ids[: count * length], dtype=torch.int64).reshape(count, length)
    return [{"input_ids": row, "attention_mask": torch.ones_like(row)} for row in rows]


def _token_ids(document: Document, tokenizer: Any) -> list[int]:
    """Gives the ids of a document, its end marked where the tokenizer has a token for it."""
    chat = templated_ids(document, tokenizer, "text")
    if chat is not None:
        return chat
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return [*plain_ids(document, tokenizer), *end]
