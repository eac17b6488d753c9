"""The static cache of a windowed model; imports torch and transformers, so import it late.

One block of memory a layer, [lanes, window + 1, heads, head size], allocated at the first pass. A lane holds one
request; the last position takes what padding writes and no query sees it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers.cache_utils import Cache

from hola_plugins.hsd.level import Int64


class WindowCache(Cache):
    """Keys and values of all lanes; `aim` says which lanes and positions the next pass writes and reads.

    Args:
        lanes: Requests held at once.
        window: Tokens of each.
        dtype: Number format of the memory.
        device: Where it lies.
    """

    def __init__(self, lanes: int, window: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(layers=[])
        self.window = window
        self._shape = (lanes, window + 1)
        self._dtype, self._device = dtype, device
        self._memory: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def aim(self, lanes: Int64, positions: torch.Tensor, used: int) -> None:
        """Sets where the next pass writes, int64[rows] and int64[rows, columns], and how far it reads.

        Lanes that follow each other are read where they lie, others are copied.
        """
        index = torch.from_numpy(lanes).to(self._device)
        in_order = bool((np.diff(lanes) == 1).all())
        self._lanes = slice(int(lanes[0]), int(lanes[0]) + len(lanes)) if in_order else index
        self._rows, self._positions, self._used = index[:, None], positions, used

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores a layer's new keys and values, [rows, heads, columns, size], and gives all that the rows hold."""
        if layer not in self._memory:
            self._memory[layer] = (self._make(keys), self._make(values))
        of_keys, of_values = self._memory[layer]
        return self._exchange(of_keys, keys), self._exchange(of_values, values)

    def get_seq_length(self, *args: Any, **kwargs: Any) -> int:
        """Gives 0: positions are passed to the model, it need not count them."""
        return 0

    def _make(self, like: torch.Tensor) -> torch.Tensor:
        return torch.zeros(*self._shape, like.shape[1], like.shape[3], dtype=self._dtype, device=self._device)

    def _exchange(self, memory: torch.Tensor, fresh: torch.Tensor) -> torch.Tensor:
        memory[self._rows, self._positions] = fresh.transpose(1, 2)
        return memory[self._lanes, : self._used].transpose(1, 2)


def visibility(window: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Gives what each position sees, [window + 1, window + 1]: 0 where it sees, the least number where not."""
    hidden = torch.full((window + 1, window + 1), torch.finfo(dtype).min, dtype=dtype, device=device)
    return hidden.triu(1)
