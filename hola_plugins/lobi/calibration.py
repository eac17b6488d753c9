"""Calibration text as token rows: read from a loader, checked, split, batched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, TypeVar

import torch

from hola_plugins.lobi.config import LoBiError

Row = TypeVar("Row")

_MOST_TOKENS = 4096
_MOST_LOGITS = 1 << 26
"""Numbers of a batch's logits: 256 MB in float32."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one length.

    Attributes:
        ids: Token ids, int64[rows, length].
        mask: 1 where there is a token, int64[rows, length].
    """

    ids: torch.Tensor
    mask: torch.Tensor

    @property
    def predicted(self) -> torch.Tensor:
        """Where a next token follows, bool[rows, length - 1]."""
        return self.mask[:, 1:].bool() & self.mask[:, :-1].bool()

    def logits(self, model: Any) -> torch.Tensor:
        """Runs the model; gives the logits of every position that a token follows, float32[n, vocabulary]."""
        device = next(model.parameters()).device
        out = model(input_ids=self.ids.to(device), attention_mask=self.mask.to(device), use_cache=False)
        kept: torch.Tensor = out.logits[:, :-1][self.predicted.to(device)]
        return kept.float()

    def labels(self) -> torch.Tensor:
        """Gives the tokens that follow, int64[n]."""
        return self.ids[:, 1:][self.predicted]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Text for fitting, and text kept for measuring.

    Attributes:
        fitting: Batches that saliency, recovery and scores read.
        held_out: Batches that only measurements read.
    """

    fitting: tuple[Batch, ...]
    held_out: tuple[Batch, ...]


def read_calibration(
    loader: Iterable[Any] | None,
    samples: int,
    held_out: float,
    vocabulary: int = 1,
    kept: Iterable[Any] | None = None,
) -> Calibration:
    """Reads at most ``samples`` rows and keeps a share of them for measuring.

    Args:
        loader: Mappings with input_ids and, if padded, attention_mask, [rows, length] each.
        samples: Most rows.
        held_out: Share of the rows that is kept for measuring, at least one row.
        vocabulary: Size of the model's vocabulary, which bounds the tokens of a batch.
        kept: Rows that were kept for measuring before, like those of the loader; None keeps some of the loader's.

    Raises:
        LoBiError: If there are not two rows of two tokens.
    """
    rows, measured = _usable(loader or (), samples), _usable(kept or (), samples)
    if not rows or len(rows) + len(measured) < 2:
        raise LoBiError(
            f"the calibration data has {len(rows)} sequences of two tokens or more; Lo-Bi needs at least 2, "
            "and some dozens to be of use: pass dataset= to oneshot"
        )
    fitting, measured = divide(rows, held_out) if kept is None else (rows, measured)
    tokens = tokens_a_batch(vocabulary)
    return Calibration(_batches(fitting, tokens), _batches(measured, tokens))


def divide(rows: Sequence[Row], held_out: float) -> tuple[list[Row], list[Row]]:
    """Divides rows into those for fitting, and those from all over the text that are kept for measuring, at least one.

    Args:
        rows: Two or more.
        held_out: Share that is kept for measuring, under 1.
    """
    kept = [int((place + 1) * held_out) > int(place * held_out) for place in range(len(rows))]
    kept[-1] |= not any(kept)
    return [row for row, one in zip(rows, kept, strict=True) if not one], list(compress(rows, kept))


def every_nth_row(batches: Sequence[Batch], tokens: int) -> tuple[Batch, ...]:
    """Gives rows from all over the text that hold about so many tokens; all rows where they hold no more."""
    step = max(1, sum(int(batch.mask.sum()) for batch in batches) // tokens)
    found, passed = [], 0
    for batch in batches:
        rows = slice(-passed % step, None, step)
        passed += len(batch.ids)
        if len(batch.ids[rows]):
            found.append(Batch(batch.ids[rows], batch.mask[rows]))
    return tuple(found)


def tokens_a_batch(vocabulary: int) -> int:
    """Gives the most tokens of a batch whose logits are held at a time."""
    return max(2, min(_MOST_TOKENS, _MOST_LOGITS // vocabulary))


def _usable(loader: Iterable[Any], samples: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Gives the rows that hold a token which another one follows."""
    return [row for row in _rows(loader, samples) if int(row[1].sum()) > 1]


def _rows(loader: Iterable[Any], samples: int) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """Yields rows of ids and masks, int64[length] each."""
    given = 0
    for item in loader:
        if not isinstance(item, Mapping) or "input_ids" not in item:
            raise LoBiError(
                f"calibration data must be mappings with 'input_ids', got {type(item).__name__}: "
                "pass tokenised text"
            )
        ids = torch.atleast_2d(torch.as_tensor(item["input_ids"]))
        mask = item.get("attention_mask")
        masks = torch.ones_like(ids) if mask is None else torch.atleast_2d(torch.as_tensor(mask))
        for row in zip(ids.cpu(), masks.cpu(), strict=True):
            if given == samples:
                return
            given += 1
            yield row


def _batches(rows: Sequence[tuple[torch.Tensor, torch.Tensor]], tokens: int) -> tuple[Batch, ...]:
    """Stacks rows of one length, up to so many tokens a batch, or one row."""
    by_length: dict[int, list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
    for row in rows:
        by_length[len(row[0])].append(row)
    found = []
    for length, same in by_length.items():
        step = max(1, tokens // length)
        for start in range(0, len(same), step):
            ids, masks = zip(*same[start : start + step], strict=True)
            found.append(Batch(torch.stack(ids), torch.stack(masks)))
    return tuple(found)
