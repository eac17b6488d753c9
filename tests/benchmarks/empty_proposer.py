"""The control of the benchmark: a proposer that drafts nothing.

It pays whatever vLLM charges for having a custom proposer at all (the V1 runner, no asynchronous scheduling), so a
method's ratio to it is the worth of the drafts alone.
"""

from __future__ import annotations

from typing import Any


class EmptyProposer:
    """Drafts nothing for any row.

    Args:
        vllm_config: vLLM's configuration, unused.
    """

    def __init__(self, vllm_config: Any) -> None:
        del vllm_config

    def load_model(self, target_model: Any) -> None:
        """Load nothing."""

    def propose(self, sampled_token_ids: list[list[int]], *_: Any, **__: Any) -> list[list[int]]:
        """Return one empty draft a row.

        Args:
            sampled_token_ids: The new ids of each of the B rows.

        Returns:
            B empty lists.
        """
        return [[] for _ in sampled_token_ids]
