"""The scale on which weights are weighed."""

from __future__ import annotations

import numpy as np

from hola_plugins.vllm.heap import heap_bytes


def test_the_heap_grows_by_what_is_allocated_and_shrinks_again():
    before = heap_bytes()
    block = np.ones(64 << 20, dtype=np.uint8)
    grown = heap_bytes() - before
    assert abs(grown - block.nbytes) < 1 << 20
    del block
    assert abs(heap_bytes() - before) < 1 << 20
