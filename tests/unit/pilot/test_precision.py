"""What a sample that is too small leaves open, and the one that would do."""

import math
from fractions import Fraction

import pytest

pytest.importorskip("scipy")

from scipy import stats

from hola_plugins.pilot.report.comparison import Comparison
from hola_plugins.pilot.report.estimate import Estimate
from hola_plugins.pilot.report.precision import repeats_wanted
from hola_plugins.pilot.report.shortages import shortages
from hola_plugins.pilot.report.wording import too_small

TITLES = {"baseline": "Baseline", "hsd": "+ HSD", "lobi": "+ Lo-Bi"}


def reach(turns, deviation):
    """Half the width of the logarithm's interval, where turns differ by so much."""
    return deviation / math.sqrt(turns) * stats.t.ppf(0.975, turns - 1)


def latency(turns, deviation, ratio=0.97, stage="hsd", against="baseline"):
    ends = (ratio * math.exp(sign * reach(turns, deviation)) for sign in (-1, 1))
    return Comparison(stage, against, "latency", "speed", Estimate(ratio, *ends, 0.5, turns), 1.0)


def accuracy(low, high, questions, stage="hsd"):
    return Comparison(stage, "baseline", "gsm8k", "quality", Estimate(0.0, low, high, 0.5, questions), 1.0)


def said_of(*comparisons, prompts=Fraction(5)):
    return list(shortages(comparisons, TITLES, prompts))


@pytest.mark.parametrize("turns", [3, 4, 6, 12])
@pytest.mark.parametrize("deviation", [0.09, 0.1, 0.2])
def test_the_repeats_wanted_are_the_fewest_whose_interval_is_narrow(turns, deviation):
    wanted = repeats_wanted(latency(turns, deviation))
    assert too_small(latency(turns, deviation))
    assert reach(wanted, deviation) <= math.log(1.05) < reach(wanted - 1, deviation)


def test_a_shortage_of_turns_names_repeats_and_prompts():
    (said,) = said_of(latency(3, 0.1), prompts=Fraction(16, 3))
    assert said == (
        "Too small a sample for latency of + HSD against Baseline (\N{MINUS SIGN}24.3 to +24.4 %): about 19 repeats and "
        "102 prompts instead of 3 and 16 would narrow that to 5 % either way."
    )


def test_a_measure_has_one_line_with_an_interval_a_step_and_the_largest_remedy_once():
    other = {"stage": "lobi", "against": "hsd"}
    said = said_of(
        latency(3, 0.05), accuracy(-0.04, 0.05, 40), latency(3, 0.1, **other), accuracy(-0.1, 0.02, 30)
    )
    assert [one.split(" (")[0] for one in said] == [
        "Too small a sample for latency of + HSD against Baseline",
        "Too small a sample for gsm8k of + HSD against Baseline",
    ]
    assert said[0].count(" % either way") == said[0].count("repeats and") == 1
    assert said[0].index(" %) and + Lo-Bi against + HSD (") < said[0].index(
        "about 19 repeats and 95 prompts instead of"
    )
    assert said[0].endswith(" would narrow each to 5 % either way.")
    assert said[1].endswith(": about 270 instead of 30 questions would narrow each to 2 points either way.")


def test_what_more_repeats_cannot_show_and_what_they_can_have_a_line_each():
    said = said_of(latency(3, 0.05), latency(3, 0.3, stage="lobi", against="hsd"))
    assert [("even 100 repeats" in one, one.count(" against ")) for one in said] == [(False, 1), (True, 1)]


SURE = ": a gain is likely, not yet sure after the correction; {} may make it sure."


def test_a_likely_gain_may_be_made_sure_by_a_larger_sample():
    gain = latency(3, 0.1, ratio=0.5)
    assert gain.likely
    assert too_small(gain)
    (said,) = said_of(gain)
    assert said.endswith(SURE.format("about 19 repeats and 95 prompts instead of 3 and 15"))
    assert said_of(accuracy(0.01, 0.2, 40))[0].endswith(SURE.format("about 910 instead of 40 questions"))
    assert len(said_of(gain, latency(3, 0.1, stage="lobi"))) == 2


def test_a_likely_gain_whose_repeats_are_not_known_names_no_number():
    unknown = latency(3, 0.3, ratio=0.4)
    assert unknown.likely
    assert repeats_wanted(unknown) is None
    said = said_of(latency(3, 0.1, ratio=0.5), unknown)
    assert [one.split(" %)")[-1] for one in said] == [SURE.format("more repeats, and as many prompts,")]


def test_a_likely_gain_of_the_most_repeats_is_not_told_to_take_more():
    gain = latency(100, 0.5, ratio=0.8)
    assert gain.likely
    said = said_of(gain, latency(99, 0.5, ratio=0.8, stage="lobi"))
    assert said[0].endswith(
        " %): a gain is likely, not yet sure after the correction, and 100 repeats are the most."
    )
    assert said[1].endswith(SURE.format("more repeats, and as many prompts,"))


def test_what_decides_nothing_is_said_without_an_interval():
    (said,) = said_of(latency(2, 0.1), latency(2, 0.1, stage="lobi"))
    assert said == (
        "Too small a sample for latency of + HSD against Baseline and + Lo-Bi against Baseline: so few repeats cannot "
        "tell the method from the machine: give at least 3 repeats, and as many prompts."
    )


@pytest.mark.parametrize("turns", [3, 100])
def test_a_difference_that_all_repeats_cannot_show_is_too_small(turns):
    noisy = latency(turns, 0.3)
    assert repeats_wanted(noisy) is None
    assert said_of(noisy)[0].endswith(
        "): even 100 repeats, the most, would not narrow that to 5 % either way: "
        "the difference is too small to be told on this machine."
    )
