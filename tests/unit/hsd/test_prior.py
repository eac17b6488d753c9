"""What levels are trusted with before any evidence."""

from __future__ import annotations

from failing_level import FailingLevel

from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.level import AGREEMENT, INTERMEDIATE, TRANSITIONS
from hola_plugins.hsd.prior import prior_calibration
from hola_plugins.hsd.sanitiser import DraftLimits


def test_further_levels_start_at_one_half_with_and_without_the_intermediate_one() -> None:
    assert (prior_calibration(TRANSITIONS + 3, judged=False)[TRANSITIONS + 1 :] == 0.5).all()
    judged = prior_calibration(AGREEMENT + 3, judged=True)
    assert (judged[AGREEMENT + 1 :] == 0.5).all()
    assert (judged[INTERMEDIATE] != 0.5).any() and (judged[AGREEMENT] != 0.5).any()


def test_a_drafter_gives_its_further_level_no_prior_of_the_intermediate_one() -> None:
    drafter = HierarchicalDrafter(HSDConfig(), DraftLimits(8, 64, 512), 1, (FailingLevel(),))
    assert (drafter._block.calibration[FailingLevel.number] == 0.5).all()
