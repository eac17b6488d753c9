"""Which rows of a block's input layers belong to which of its units, where several layers are fused into one too."""

from __future__ import annotations

import torch

from hola_plugins.lobi.structure import Block


def by_unit(values: torch.Tensor, block: Block, units: int) -> torch.Tensor:
    """Sums values over the rows of each unit.

    Args:
        values: One for each row of an input layer, [rows].
        block: The block: an MLP, whose units are its channels, or an attention, whose units are its key-value heads.
        units: Their number.

    Returns:
        The sums, [units].
    """
    parts = values.split(_sections(len(values), block, units))
    return torch.stack([part.reshape(units, -1).sum(1) for part in parts]).sum(0)


def rows_of(chosen: torch.Tensor, rows: int, block: Block, units: int) -> torch.Tensor:
    """Gives the rows of the chosen units, int64.

    Args:
        chosen: Numbers of the units, in order.
        rows: Rows of the input layer.
        block: The block.
        units: The number of its units.
    """
    parts = torch.arange(rows).split(_sections(rows, block, units))
    return torch.cat([part.reshape(units, -1)[chosen].reshape(-1) for part in parts])


def _sections(rows: int, block: Block, units: int) -> list[int]:
    """Splits rows into parts: gate and up, or query, key and value, where they are one layer."""
    if units == block.width:
        return [block.width] * (rows // block.width)
    if len(block.inputs) > 1:
        return [rows]
    rest = (rows - block.width) // 2
    return [block.width, rest, rest]
