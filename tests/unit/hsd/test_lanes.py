"""Which request keeps a lane of the windowed model."""

from __future__ import annotations

import numpy as np

from hola_plugins.hsd.lanes import Lanes


def slots(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int32)


def test_looking_for_a_lane_takes_none_from_another() -> None:
    lanes = Lanes(2, 128, 8)
    lanes.find(slots(1, 2))
    kept = lanes.assign(slots(1, 2)).tolist()
    assert lanes.find(slots(3, 4)).tolist() == [-1, -1]
    assert lanes.find(slots(1, 2)).tolist() == kept


def test_a_lane_that_was_just_found_is_given_to_no_other() -> None:
    lanes = Lanes(2, 128, 8)
    lanes.find(slots(1, 2))
    first, second = lanes.assign(slots(1, 2)).tolist()
    lanes.find(slots(1, 3, 4))
    assert lanes.assign(slots(3, 4)).tolist() == [second, -1]
    assert lanes.find(slots(1, 2, 3)).tolist() == [first, -1, second]


def test_the_lane_that_was_longest_unused_goes_first() -> None:
    lanes = Lanes(2, 128, 8)
    lanes.find(slots(1, 2))
    first, second = lanes.assign(slots(1, 2)).tolist()
    lanes.find(slots(2))
    lanes.find(slots(3))
    assert lanes.assign(slots(3)).tolist() == [first]
    lanes.release(2)
    lanes.find(slots(4))
    assert lanes.assign(slots(4)).tolist() == [second]
