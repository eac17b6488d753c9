"""Attention over keys and values that several query heads share, without a copy for each; imports torch, so import it late.

transformers' own way repeats them wherever there is a mask, which costs more than the rest of a small model's pass.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

_NAME = "hola_grouped_sdpa"


def use_grouped_attention(model: PreTrainedModel) -> None:
    """Has a model that lets its attention be chosen share keys and values; another stays as it is."""
    if type(model)._supports_attention_backend:  # noqa: SLF001 - it has no public name
        AttentionInterface.register(_NAME, _grouped_attention)
        model.set_attn_implementation(_NAME)


def _grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Counts the query heads of a group as further queries of the one head of keys and values that they share.

    Args:
        module: The layer.
        query: Queries, [rows, heads, columns, size].
        key: Keys, [rows, shared heads, positions, size].
        value: Values, the same.
        attention_mask: What is added to the scores, [rows, 1, columns, positions]; one for each head is left to transformers.
        scaling: Factor of the scores.
        **kwargs: What the model passes on.

    Returns:
        The output, [rows, columns, heads, size], and no weights.
    """
    rows, heads, columns, size = query.shape
    shared = key.shape[1]
    biased = kwargs.get("position_bias") is not None
    if shared == heads or attention_mask is None or attention_mask.shape[1] != 1 or biased:
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return found
    groups = heads // shared
    output = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(rows, shared, groups * columns, size),
        key,
        value,
        attn_mask=attention_mask.repeat(1, 1, groups, 1),
        scale=scaling,
    )
    return output.reshape(rows, heads, columns, value.shape[3]).transpose(1, 2).contiguous(), None
