"""Drafters for the unit tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.sanitiser import DraftLimits

VOCABULARY = 64
MAX_LENGTH = 512
LONGEST = 8


@pytest.fixture
def make_drafter() -> Callable[..., HierarchicalDrafter]:
    """Gives a maker of drafters without clocks; keywords go into `HSDConfig`."""

    def make(rows: int = 4, **settings: object) -> HierarchicalDrafter:
        config = HSDConfig.model_validate({"deterministic": True, **settings})
        return HierarchicalDrafter(config, DraftLimits(LONGEST, VOCABULARY, MAX_LENGTH), rows)

    return make
