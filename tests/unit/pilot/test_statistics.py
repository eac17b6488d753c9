"""The statistics of the report: against scipy, against known cases, and what must hold for any data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy")

from pilot_results import accuracy, requests, stage
from scipy import stats

from hola_plugins.pilot.report.comparison import Comparison, compare_all, corrected
from hola_plugins.pilot.report.estimate import Estimate
from hola_plugins.pilot.report.jackknife import ratio_of_totals
from hola_plugins.pilot.report.latency import speed
from hola_plugins.pilot.report.pairing import Pairs, paired, prompt, turn
from hola_plugins.pilot.report.sameness import Sameness, sameness
from hola_plugins.pilot.report.scores import accuracy_change, recall_change, score_interval
from hola_plugins.pilot.results import Retrieval

SUMS = st.lists(st.tuples(st.floats(0.01, 100.0), st.floats(0.01, 100.0)), min_size=2, max_size=12).map(
    lambda rows: Pairs(*np.array(rows, dtype=np.float64).T)
)


def latency(request):
    return request.latency_s


def test_speed_is_what_numpy_says():
    found = speed(requests())
    seconds = [one.latency_s for one in requests()]
    assert found.answers == 80
    assert (found.latency.mean, found.latency.p50) == pytest.approx((np.mean(seconds), np.median(seconds)))
    assert found.latency.p95 == pytest.approx(np.percentile(seconds, 95))
    assert found.latency.deviation == pytest.approx(np.std(seconds, ddof=1))
    assert found.first_token.mean == pytest.approx(0.1 * np.mean(seconds))
    assert found.tokens_per_second == pytest.approx(sum(one.tokens_out for one in requests()) / sum(seconds))
    assert speed(()) is None
    assert speed(requests()[:1]).latency.deviation is None


def test_requests_pair_by_repeat_and_prompt_and_sum_by_turn_or_by_prompt():
    made = requests(prompts=6, repeats=2)
    before, after = stage(requests=made), stage("hsd", requests=requests(2.0, 6, 2)[1:])
    pairs = paired(before, after, latency, turn)
    seconds = [one.latency_s for one in made]
    assert list(pairs.before) == pytest.approx([sum(seconds[1:3]), sum(seconds[3:])])
    again = tuple(one.model_copy(update={"repeat": 2}) for one in made)
    both = stage(requests=made + again)
    assert list(paired(both, both, latency, prompt).after) == pytest.approx([2 * one for one in seconds])
    with pytest.raises(ValueError, match=r"got 'p0' twice in repeat 0 of stage 'baseline'"):
        paired(stage(requests=made + made[:1]), after, latency, turn)


@settings(max_examples=15, deadline=None)
@given(SUMS)
def test_an_interval_holds_its_ratio_and_exchanged_stages_invert_it(pairs):
    found = ratio_of_totals(pairs)
    other = ratio_of_totals(Pairs(pairs.after, pairs.before))
    assert found.value == pytest.approx(pairs.after.mean() / pairs.before.mean())
    assert found.low <= found.value <= found.high
    assert (other.value, other.low, other.high) == pytest.approx(
        (1 / found.value, 1 / found.high, 1 / found.low)
    )
    assert other.p == pytest.approx(found.p)


def test_the_jackknife_of_a_ratio_agrees_with_the_delta_method():
    draws = np.random.default_rng(3)
    before = draws.gamma(9.0, 1.0, 400)
    after = 0.8 * before * draws.lognormal(0.0, 0.1, 400)
    found = ratio_of_totals(Pairs(before, after))
    residuals = after - found.value * before
    error = residuals.std(ddof=1) / math.sqrt(400) / before.mean()
    assert (found.low, found.high) == pytest.approx(
        (found.value - 1.96 * error, found.value + 1.96 * error), abs=0.002
    )


def pilots(draws, turns, noise, disturbed, drift, count=200):
    """Logarithms of latency of two stages without any true change: float64[pilots, 2, turns, prompts of a turn].

    Every prompt has noise of its own and every turn a disturbance; drift goes on from turn to turn as they are run.
    """
    each = 48 // turns
    found = np.broadcast_to(draws.normal(0.0, 0.6, (count, 1, turns, each)), (count, 2, turns, each)).copy()
    found += noise(found.shape) + draws.normal(0.0, disturbed, (count, 2, turns, 1))
    wander = np.empty((count, 2 * turns * each))
    wander[:, 0] = draws.normal(0.0, drift, count)
    for place in range(1, wander.shape[1]):
        wander[:, place] = 0.8 * wander[:, place - 1] + draws.normal(0.0, 0.6 * drift, count)
    for place, run in enumerate(np.split(wander, 2 * turns, axis=1)):
        repeat, second = divmod(place, 2)
        found[:, second ^ repeat % 2, repeat] += run
    return found


def as_stage(name, logarithms):
    """A stage whose requests took so long: float64[turns, prompts of a turn]."""
    made = requests(prompts=logarithms.size, repeats=len(logarithms))
    found = (
        one.model_copy(update={"latency_s": float(seconds), "first_token_s": float(seconds)})
        for one, seconds in zip(made, np.exp(logarithms).ravel(), strict=True)
    )
    return stage(name, requests=tuple(found))


@pytest.mark.parametrize("turns", [3, 12])
@pytest.mark.parametrize(
    ("tails", "disturbed", "drift"),
    [(None, 0.0, 0.0), (None, 0.05, 0.0), (2.5, 0.02, 0.0), (None, 0.0, 0.1)],
    ids=["quiet", "disturbed", "heavy tails", "drift"],
)
def test_intervals_of_latency_cover_and_the_test_keeps_its_level(turns, tails, disturbed, drift):
    """200 pilots of 48 prompts without any true change: 5 % may be found, and 5 % of intervals may miss."""
    draws = np.random.default_rng(7)

    def noise(shape):
        return 0.15 * (draws.normal(size=shape) if tails is None else draws.standard_t(tails, shape))

    found = []
    for pilot in pilots(draws, turns, noise, disturbed, drift):
        before, after = as_stage("baseline", pilot[0]), as_stage("hsd", pilot[1])
        found.append(ratio_of_totals(paired(before, after, latency, turn)))
    assert np.mean([one.p < 0.05 for one in found]) <= 0.1
    assert np.mean([one.low <= 1.0 <= one.high for one in found]) >= 0.9


def test_few_pairs_and_sums_of_nothing_decide_nothing():
    one = ratio_of_totals(Pairs(np.array([2.0]), np.array([1.0])))
    assert (one.value, one.low, one.p, one.units) == (pytest.approx(0.5), None, None, 1)
    assert ratio_of_totals(Pairs(np.zeros(0), np.zeros(0))) is None
    assert ratio_of_totals(Pairs(np.array([1.0, 0.0]), np.array([1.0, 1.0]))) is None
    alike = ratio_of_totals(Pairs(np.ones(4), np.ones(4)))
    assert (alike.value, alike.low, alike.high, alike.p) == pytest.approx((1.0, 1.0, 1.0, 1.0))
    two = compare_all([stage(requests=requests(repeats=2)), stage("hsd", requests=requests(0.5, repeats=2))])
    assert not any(one.improved or one.worsened or one.decidable for one in two)
    five = [stage(requests=requests(prompts=5)), stage("hsd", requests=requests(0.5, prompts=5, tokens_in=9))]
    assert [(one.unit, one.decidable) for one in compare_all(five)] == [
        ("turn", True),
        ("turn", True),
        ("prompt", False),
    ]


def test_accuracy_is_compared_question_by_question_as_mcnemar_does():
    then, now = accuracy(100), accuracy(88)
    found = accuracy_change(then, now)
    assert found.value == pytest.approx(-0.06)
    assert found.p == pytest.approx(stats.binomtest(0, 12).pvalue)
    assert found.low < -0.06 < found.high < 0
    same = accuracy_change(then, then)
    assert (same.value, same.p) == (0.0, 1.0)
    assert same.low < 0 < same.high


def test_without_single_answers_the_standard_errors_decide():
    found = accuracy_change(accuracy(100, paired=False), accuracy(88, paired=False))
    error = math.hypot((0.25 / 200) ** 0.5, (0.44 * 0.56 / 200) ** 0.5)
    assert (found.low, found.high) == pytest.approx((-0.06 - 1.96 * error, -0.06 + 1.96 * error), abs=1e-4)
    assert found.p == pytest.approx(2 * stats.norm.sf(0.06 / error))
    perfect = accuracy(20, 20, paired=False).model_copy(update={"stderr": None})
    low, high = score_interval(perfect)
    assert low < 0.9
    assert high == 1.0


def test_a_standard_error_of_nothing_is_taken_for_unknown():
    perfect = accuracy(8, 8)
    assert perfect.stderr == 0.0
    assert score_interval(perfect) == score_interval(perfect.model_copy(update={"stderr": None}))
    assert score_interval(perfect)[0] < 0.8
    found = accuracy_change(accuracy(8, 8, paired=False), accuracy(8, 8, paired=False))
    assert found.low < 0 < found.high


def test_a_score_of_another_scale_and_no_standard_error_has_no_interval():
    points = accuracy(25, 100, paired=False).model_copy(update={"value": 25.0, "stderr": None})
    found = accuracy_change(points, points.model_copy(update={"value": 27.5}))
    assert (found.value, found.low, found.high) == (2.5, None, None)


def answered(answers):
    return any(one for pair in answers for one in pair)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40).filter(answered))
def test_the_interval_of_paired_scores_holds_the_difference(answers):
    then, now = (tuple(column) for column in zip(*answers, strict=True))
    made = [accuracy(sum(one), len(one)).model_copy(update={"right": one}) for one in (then, now)]
    found = accuracy_change(*made)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(np.mean(now) - np.mean(then))


def test_recall_is_compared_by_query_where_it_is_known():
    values = np.random.default_rng(1).random(50)
    then = Retrieval(recall=float(values.mean()), tokens=10, skipped=0, queries=50, recalls=tuple(values))
    better = np.clip(values + 0.1, 0, 1)
    now = Retrieval(recall=float(better.mean()), tokens=10, skipped=0, queries=50, recalls=tuple(better))
    found = recall_change(then, now)
    assert found.value == pytest.approx(better.mean() - values.mean())
    assert 0 < found.low <= found.value <= found.high
    blind = now.model_copy(update={"recalls": ()})
    assert recall_change(then, blind).p is None
    assert recall_change(then, now.model_copy(update={"recall": None})) is None


def retrieved(recalls):
    values = tuple(map(float, recalls))
    return Retrieval(recall=float(np.mean(values)), tokens=10, skipped=0, queries=len(values), recalls=values)


def test_a_change_of_recall_agrees_with_the_t_test():
    draws = np.random.default_rng(2)
    before = draws.uniform(0.2, 0.6, 400)
    after = before + draws.uniform(-0.2, 0.3, 400)
    found = recall_change(retrieved(before), retrieved(after))
    test = stats.ttest_rel(after, before)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval()), abs=0.003)
    few = recall_change(retrieved(before[:40]), retrieved(after[:40]))
    assert few.p == pytest.approx(stats.ttest_rel(after[:40], before[:40]).pvalue, abs=0.02)


def test_recall_of_right_and_wrong_has_the_interval_of_accuracy():
    then, now = accuracy(50, 60), accuracy(48, 60, shift=3)
    found, same = recall_change(retrieved(then.right), retrieved(now.right)), accuracy_change(then, now)
    assert (found.value, found.low, found.high) == (same.value, same.low, same.high)
    assert found.p == pytest.approx(same.p, abs=0.02)


def test_recall_that_did_not_move_may_move_and_no_recall_at_all_shows_nothing():
    found = recall_change(retrieved([1] * 8), retrieved([1] * 8))
    assert (found.value, found.p) == (0.0, 1.0)
    assert found.low < -0.15
    assert found.high > 0.15
    assert recall_change(retrieved([0] * 8), retrieved([0] * 8)) is None
    assert recall_change(retrieved([0] * 8), retrieved([0] * 7 + [1])) is not None


@pytest.mark.parametrize("change", [-1, -0.5, 0.0])
def test_recall_of_one_query_tells_nothing(change):
    found = recall_change(retrieved([1]), retrieved([1 + change]))
    assert (found.value, found.p, found.units) == (change, 1.0, 1)
    assert found.low <= change <= found.high


def test_stages_that_send_the_passages_of_one_search_are_not_compared_by_recall():
    once, again = (retrieved([1] * 8).model_copy(update={"seconds": one}) for one in (0.1, 0.2))
    assert recall_change(once, once) is None
    assert recall_change(once, again) is not None


@pytest.mark.parametrize(("queries", "loss"), [(8, 0.1), (20, 0.05), (48, 0.03), (48, 0.01), (48, 0.1)])
def test_intervals_of_recall_cover_a_small_loss(queries, loss):
    covered = 0.0
    for lost in range(queries // 3 + 1):
        found = recall_change(retrieved([1] * queries), retrieved([0] * lost + [1] * (queries - lost)))
        covered += stats.binom.pmf(lost, queries, loss) * (found.low <= -loss <= found.high)
    assert covered >= 0.92


def comparison(p):
    return Comparison("b", "a", "latency", "speed", Estimate(0.9, 0.85, 0.95, p, 40))


def test_holms_correction_is_the_worked_example_and_keeps_the_order():
    found = [one.corrected for one in corrected([comparison(p) for p in (0.01, 0.04, 0.03, 0.005, None)])]
    assert found == [pytest.approx(0.03), pytest.approx(0.06), pytest.approx(0.06), pytest.approx(0.02), None]


def test_a_gain_must_survive_the_correction_and_a_loss_need_not():
    gain = corrected([comparison(0.04)] * 3)[0]
    assert not gain.improved
    assert corrected([comparison(0.04)])[0].improved
    slower = Comparison("b", "a", "latency", "speed", Estimate(1.1, 1.02, 1.2, 0.04, 40))
    assert corrected([slower] * 3)[0].worsened


def test_stages_are_compared_with_the_baseline_and_the_finished_stage_before():
    stages = [
        stage("baseline"),
        stage("hsd", status="failed", requests=()),
        stage("adacomp", requests=requests(0.9, seed=2)),
        stage("lobi", requests=requests(0.8, seed=3)),
    ]
    found = [(one.stage, one.against) for one in compare_all(stages) if one.measure == "latency"]
    assert found == [("adacomp", "baseline"), ("lobi", "baseline"), ("lobi", "adacomp")]
    stages[1] = stage("hsd", requests=requests(0.95, seed=1))
    found = [(one.stage, one.against) for one in compare_all(stages) if one.measure == "latency"]
    assert found[-2:] == [("lobi", "baseline"), ("lobi", "adacomp")]
    without = [stage("baseline", status="failed", requests=()), *stages[2:]]
    assert {(one.stage, one.against) for one in compare_all(without)} == {("lobi", "adacomp")}


def test_answers_are_the_same_only_where_model_and_prompt_are():
    base = stage()
    other = requests(outputs="a")[:-1] + requests(outputs="z")[-1:]
    assert sameness(base, stage("hsd", requests=other)) == Sameness(79, 80)
    assert sameness(base, stage("lobi", model="small")) is None
    assert sameness(base, stage("adacomp", requests=requests(tokens_in=10))) is None
