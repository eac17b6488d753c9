"""What a sample that is too small leaves open, and the one that would do."""

import math
from fractions import Fraction

import pytest

pytest.importorskip("scipy")

from scipy import stats

from hola_plugins.pilot.report.comparison import Comparison
from hola_plugins.pilot.report.estimate import Estimate
from hola_plugins.pilot.report.precision import repeats_wanted
from hola_plugins.pilot.report.wording import shortage, too_small

TITLES = {"baseline": "Baseline", "hsd": "+ HSD"}


def reach(turns, deviation):
    """Half the width of the logarithm's interval, where turns differ by so much."""
    return deviation / math.sqrt(turns) * stats.t.ppf(0.975, turns - 1)


def latency(turns, deviation):
    ends = (0.97 * math.exp(sign * reach(turns, deviation)) for sign in (-1, 1))
    return Comparison("hsd", "baseline", "latency", "speed", Estimate(0.97, *ends, 0.5, turns), 1.0)


@pytest.mark.parametrize("turns", [3, 4, 6, 12])
@pytest.mark.parametrize("deviation", [0.09, 0.1, 0.2])
def test_the_repeats_wanted_are_the_fewest_whose_interval_is_narrow(turns, deviation):
    wanted = repeats_wanted(latency(turns, deviation))
    assert too_small(latency(turns, deviation))
    assert reach(wanted, deviation) <= math.log(1.05) < reach(wanted - 1, deviation)


def test_a_shortage_of_turns_names_repeats_and_prompts():
    said = shortage(latency(3, 0.1), TITLES, Fraction(16, 3))
    assert said.startswith("Too small a sample for latency of + HSD against Baseline: anything from ")
    assert said.endswith(
        " is possible; about 19 repeats and 102 prompts instead of 3 and 16 would narrow that to 5 % either way."
    )


@pytest.mark.parametrize("turns", [3, 100])
def test_a_difference_that_all_repeats_cannot_show_is_too_small(turns):
    noisy = latency(turns, 0.3)
    assert repeats_wanted(noisy) is None
    assert shortage(noisy, TITLES, Fraction(5)).endswith(
        "; even 100 repeats, the most, would not narrow that to 5 % either way: "
        "the difference is too small to be told on this machine."
    )
