"""HSD in an engine whose `expand_batch_to_tokens` is replaced by a correct one.

vLLM's own for the CPU (`_expand_kernel_impl` in `vllm/utils/cpu_triton_utils.py`) fills a temporary copy, so the
temperature, top_k and top_p of drafted positions are uninitialised memory (vllm-project/vllm#55005).
"""

from __future__ import annotations

from typing import Any

import torch
from vllm.v1.sample import rejection_sampler

from hola_plugins.vllm import HSDProposer


class ExpandingProposer(HSDProposer):
    """Replaces the function in the engine's process, before the engine samples."""

    def __init__(self, vllm_config: Any) -> None:
        rejection_sampler.expand_batch_to_tokens = _expand_batch_to_tokens
        super().__init__(vllm_config)


def _expand_batch_to_tokens(
    x: torch.Tensor,
    cu_num_tokens: torch.Tensor,
    num_tokens: int,
    replace_from: float = 0,
    replace_to: float = 0,
) -> torch.Tensor:
    """Repeats each row's value once for each of its drafted tokens; ``replace_from`` becomes ``replace_to``."""
    counts = torch.diff(cu_num_tokens, prepend=cu_num_tokens.new_zeros(1)).long()
    return x.masked_fill(x == replace_from, replace_to).repeat_interleave(counts, output_size=num_tokens)
