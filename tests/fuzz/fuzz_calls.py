"""Feeds calls grown by coverage (atheris) to one drafter: any ids, lengths, shapes and types; only legal drafts may come out.

    python tests/fuzz/fuzz_calls.py -max_total_time=60

Run by hand. What breaks the drafter is written to the working folder as crash-<hash>.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["hola_plugins"]):
    import numpy as np

    from hola_plugins.hsd.config import HSDConfig
    from hola_plugins.hsd.drafter import HierarchicalDrafter
    from hola_plugins.hsd.sanitiser import DraftLimits

ROWS, WIDTH, VOCABULARY, LONGEST = 4, 64, 64, 8
SMALL = {"deterministic": True, "store": {"tokens": 1024, "transitions": 1024}, "max_requests": 5}
TYPES = [np.int32, np.int64, np.float32, np.uint8]


def _batch(data: Any) -> tuple[list[list[int]], Any, Any]:
    """Reads a call of the right shape, in which the ids repeat and the lengths may be wrong."""
    rows = data.ConsumeIntInRange(0, ROWS)
    period = [data.ConsumeIntInRange(-2, VOCABULARY + 2) for _ in range(data.ConsumeIntInRange(1, 6))]
    buffer = np.resize(np.array(period, np.int32), (ROWS, WIDTH))
    lengths = [data.ConsumeIntInRange(-1, WIDTH + 1) for _ in range(rows)]
    fresh = [data.ConsumeIntInRange(0, LONGEST + 1) for _ in range(rows)]
    sampled = [
        buffer[row, max(0, n - new) : max(0, n)].tolist()
        for row, (n, new) in enumerate(zip(lengths, fresh, strict=True))
    ]
    return sampled, np.resize(np.array([*lengths, 0], np.int32), ROWS), buffer


def _anything(data: Any) -> tuple[list[list[int]], Any, Any]:
    """Reads a call of any shapes and types."""
    sampled = [
        data.ConsumeIntList(data.ConsumeIntInRange(0, 9), 4) for _ in range(data.ConsumeIntInRange(0, 6))
    ]
    sizes = [data.ConsumeIntInRange(0, 6) for _ in range(data.ConsumeIntInRange(0, 3))]
    lengths, buffer = (
        np.resize(np.array([*data.ConsumeIntList(8, 4), 0], np.int64), shape).astype(
            data.PickValueInList(TYPES)
        )
        for shape in (sizes[:1], sizes)
    )
    return sampled, lengths, buffer


def try_once(content: bytes) -> None:
    """Makes up to nine calls to a new drafter."""
    data = atheris.FuzzedDataProvider(content)
    drafter = HierarchicalDrafter(
        HSDConfig.model_validate(SMALL), DraftLimits(LONGEST, VOCABULARY, WIDTH), ROWS
    )
    for _ in range(data.ConsumeIntInRange(1, 9)):
        sampled, lengths, buffer = (_anything if data.ConsumeIntInRange(0, 4) == 0 else _batch)(data)
        drafts = drafter.propose(sampled, lengths, buffer)
        if len(drafts) != len(sampled):
            raise AssertionError(f"{len(drafts)} drafts for {len(sampled)} rows")
        for draft in drafts:
            if len(draft) > LONGEST or not all(type(one) is int and 0 <= one < VOCABULARY for one in draft):
                raise AssertionError(f"no legal draft: {draft}")


if __name__ == "__main__":
    logging.disable()
    atheris.Setup(sys.argv, try_once)
    atheris.Fuzz()
