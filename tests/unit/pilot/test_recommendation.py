"""The rules of the recommendation, one by one, and the sentences that go with them."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from pilot_results import accuracy, failed, full_results, requests, results, stage

from hola_plugins.pilot.report.analysis import analyse
from hola_plugins.pilot.report.recommendation import summary
from hola_plugins.pilot.results import Memory, Prices, Retrieval

GOOD = (accuracy(124),)
ENDED = "the server ended (log: a.log):\n\nRuntimeError: the reason"


def priced(*stages):
    return results(*stages, prices=Prices(machine_hour=1.0))


def judged(*stages, **parts):
    return {one.stage: one for one in analyse(results(*stages, **parts)).advice}


def test_faster_with_the_same_accuracy_is_switched_on():
    advice = judged(stage(accuracy=GOOD), stage("hsd", requests=requests(0.7, seed=1), accuracy=GOOD))["hsd"]
    assert (advice.method, advice.verdict) == ("HSD", "switch on")
    assert advice.reasons[0].startswith("lower latency: -") or advice.reasons[0].startswith(
        "lower latency: \N{MINUS SIGN}"
    )
    assert "8 turns)" in advice.reasons[0]


def test_lost_accuracy_outweighs_any_speed():
    slow, fast = (
        stage(accuracy=GOOD),
        stage("lobi", requests=requests(0.5, seed=1), accuracy=(accuracy(100),)),
    )
    advice = judged(slow, fast)["lobi"]
    assert advice.verdict == "leave off"
    assert advice.reasons[0].startswith("it loses gsm8k exact match: ")


def test_lost_recall_counts_as_lost_accuracy():
    def found(share):
        recalls = tuple(float(number < share * 60) for number in range(60))
        return Retrieval(recall=share, tokens=400, skipped=0, queries=60, recalls=recalls)

    before = stage(retrieval=found(0.9))
    after = stage("adacomp", requests=requests(0.5, seed=1), retrieval=found(0.6))
    assert judged(before, after)["adacomp"].verdict == "leave off"


def test_smaller_weights_are_a_gain_and_slower_answers_a_price():
    small = Memory(weights=2_500_000)
    smaller = stage("lobi", accuracy=GOOD, memory=small, requests=requests(1.0, seed=1))
    assert judged(stage(accuracy=GOOD), smaller)["lobi"].verdict == "switch on"
    slower = stage("lobi", accuracy=GOOD, memory=small, requests=requests(1.4, seed=1))
    advice = judged(stage(accuracy=GOOD), slower)["lobi"]
    assert advice.verdict == "weigh"
    assert [reason.split(":")[0] for reason in advice.reasons[:2]] == [
        "weights 57 % smaller",
        "higher latency",
    ]


def test_the_files_stand_in_for_weights_that_the_engine_does_not_tell():
    before = stage(accuracy=GOOD, memory=Memory(checkpoint=1000))
    after = stage("lobi", accuracy=GOOD, memory=Memory(checkpoint=650), requests=requests(1.0, seed=1))
    advice = judged(before, after)["lobi"]
    assert (advice.verdict, advice.reasons[0].split(":")[0]) == ("switch on", "weights 35 % smaller")


def test_without_a_measure_of_quality_what_changes_answers_stays_undecided():
    faster = {"requests": requests(0.7, seed=1)}
    assert judged(stage(), stage("hsd", **faster))["hsd"].verdict == "switch on"
    advice = judged(stage(), stage("lobi", **faster))["lobi"]
    assert advice.verdict == "undecided"
    assert advice.reasons[-1] == (
        "it may change answers, and no accuracy was above 0 in it or in the stage before"
    )


def found(recall):
    recalls = () if recall is None else (recall,) * 60
    return Retrieval(recall=recall, tokens=400, skipped=0, queries=60, recalls=recalls)


def test_recall_which_compression_cannot_move_does_not_vouch_for_it():
    parts = {"requests": requests(0.7, seed=1), "retrieval": found(0.9)}
    before = stage(retrieval=found(0.9))
    assert judged(before, stage("adacomp", **parts))["adacomp"].verdict == "switch on"
    assert judged(before, stage("lobi", **parts))["lobi"].verdict == "undecided"
    scored = stage("lobi", accuracy=GOOD, **parts)
    assert judged(stage(retrieval=found(0.9), accuracy=GOOD), scored)["lobi"].verdict == "switch on"


@pytest.mark.parametrize(("retrieves", "verdict"), [(False, "undecided"), (True, "switch on")])
def test_questions_that_search_nothing_do_not_vouch_for_adacomp(retrieves, verdict):
    scores = (accuracy(124).model_copy(update={"retrieves": retrieves}),)
    before = stage(retrieval=found(None), accuracy=scores)
    after = stage("adacomp", requests=requests(0.7, seed=1), retrieval=found(None), accuracy=scores)
    advice = judged(before, after)["adacomp"]
    assert advice.verdict == verdict
    assert ("retrieved for was above 0" in advice.reasons[-1]) == (not retrieves)


def test_recall_that_did_not_move_leaves_a_loss_open_and_no_recall_at_all_vouches_for_nothing():
    def advised(recall):
        few = found(recall).model_copy(update={"queries": 8, "recalls": (recall,) * 8})
        after = stage("adacomp", requests=requests(0.7, seed=1), retrieval=few)
        return judged(stage(retrieval=few), after)["adacomp"]

    assert advised(1.0).verdict == "switch on"
    assert advised(1.0).reasons[-1].endswith("points of recall is not ruled out by 8 queries")
    assert advised(0.0).verdict == "undecided"
    assert advised(0.0).reasons[-1].startswith("it may change answers, and neither recall nor accuracy of ")
    assert advised(0.0).reasons[-1].endswith(" was above 0 in it or in the stage before")


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("name", ["adacomp", "lobi"])
def test_a_score_of_0_throughout_vouches_for_nothing(name, paired):
    def advised(correct):
        scores = (accuracy(correct, paired=paired).model_copy(update={"retrieves": True}),)
        after = stage(name, requests=requests(0.7, seed=1), accuracy=scores)
        return analyse(results(stage(accuracy=scores), after))

    assert advised(1).advice[0].verdict == "switch on"
    (advice,) = advised(0).advice
    assert (advice.verdict, advice.reasons[-1].split(",")[0]) == ("undecided", "it may change answers")
    assert not [one for one in advised(0).comparisons if one.kind == "quality"]


def test_a_score_of_0_in_two_stages_is_not_said_of_the_ones_before():
    nothing, fast = (accuracy(0),), {"requests": requests(0.7, seed=1)}
    stages = [stage(accuracy=GOOD), stage("hsd", accuracy=nothing), stage("lobi", accuracy=nothing, **fast)]
    said = judged(*stages)["lobi"].reasons[-1]
    assert said.endswith(", and no accuracy was above 0 in it or in the stage before")


def test_accuracy_that_falls_to_0_is_lost():
    after = stage("lobi", requests=requests(0.7, seed=1), accuracy=(accuracy(0),))
    assert judged(stage(accuracy=GOOD), after)["lobi"].verdict == "leave off"


def test_one_repeat_decides_nothing_and_says_why():
    once = {"prompts": 80, "repeats": 1}
    analysis = analyse(
        results(stage(requests=requests(**once)), stage("hsd", requests=requests(0.5, seed=1, **once)))
    )
    assert analysis.advice[0].verdict == "undecided"
    said = "one repeat cannot tell the method from the machine: give at least 3 repeats, and as many prompts"
    assert [said in text for text in (*analysis.sentences, *analysis.warnings)] == [True, True, True]


def test_a_machine_that_is_slow_for_a_while_is_no_gain():
    """Every turn of a stage is faster or slower by 5 % of its own, and there is nothing to find."""
    draws = np.random.default_rng(2)

    def disturbed(name, seed):
        shifts = np.exp(draws.normal(0.0, 0.05, 8))
        made = (
            one.model_copy(update={"latency_s": one.latency_s * float(shifts[one.repeat])})
            for one in requests(seed=seed)
        )
        return stage(name, requests=tuple(made))

    pilots = [judged(disturbed("baseline", 1), disturbed("hsd", 2))["hsd"] for _ in range(40)]
    assert sum(one.verdict == "switch on" for one in pilots) <= 3


def test_no_gain_is_left_off_and_a_small_sample_is_undecided():
    assert judged(stage(), stage("hsd", requests=requests(seed=1)))["hsd"].verdict == "leave off"
    few = {"prompts": 4, "repeats": 1}
    small = judged(stage(requests=requests(**few)), stage("hsd", requests=requests(0.7, **few)))["hsd"]
    assert small.verdict == "undecided"
    noisy = {"prompts": 10, "noise": 0.8}
    wide = judged(stage(requests=requests(**noisy)), stage("hsd", requests=requests(seed=9, **noisy)))["hsd"]
    assert wide.verdict == "undecided"


def test_a_likely_gain_is_named_beside_its_price():
    few = {"prompts": 12, "repeats": 4, "noise": 0.09}
    faster = requests(0.93, seed=3, **few)
    late = tuple(one.model_copy(update={"first_token_s": 1.6 * one.first_token_s}) for one in faster)
    before = stage(requests=requests(**few), accuracy=GOOD)
    after = stage("hsd", requests=late, accuracy=GOOD)
    (latency,) = [one for one in analyse(results(before, after)).comparisons if one.measure == "latency"]
    assert latency.likely
    assert not latency.improved
    advice = judged(before, after)["hsd"]
    assert advice.verdict == "undecided"
    assert [reason.split(":")[0] for reason in advice.reasons[:2]] == [
        "lower latency is likely, not yet sure",
        "longer time to first token",
    ]


def test_a_failed_step_is_off_and_the_next_is_judged_against_the_last_finished_one():
    advice = judged(
        stage(), failed("hsd", ENDED), stage("adacomp", requests=requests(0.7, seed=1), accuracy=GOOD)
    )
    assert advice["hsd"].verdict == "leave off"
    assert advice["hsd"].reasons == ("it failed: the server ended (log: a.log): RuntimeError: the reason",)
    assert advice["adacomp"].reasons[0].startswith("lower latency")


def failed_while_measured(name):
    return failed(name).model_copy(update={"model": "models/target"})


ALONG = "it comes with {}, which failed and was not measured alone"


@pytest.mark.parametrize(
    ("names", "titles"), [(["hsd"], ["+ HSD"]), (["hsd", "adacomp"], ["+ HSD", "+ AdaComp"])]
)
def test_a_gain_that_may_be_that_of_a_failed_step_before_is_undecided(names, titles):
    faster = stage("all", requests=requests(0.5, seed=1), accuracy=GOOD)
    analysis = analyse(results(stage(accuracy=GOOD), *map(failed_while_measured, names), faster))
    advice = analysis.advice[-1]
    assert summary([advice]) == "Undecided: HSD with an intermediate level."
    assert advice.reasons[0].startswith("lower latency: ")
    assert advice.reasons[-len(titles) :] == tuple(ALONG.format(title) for title in titles)


def test_a_failed_step_before_a_finished_one_is_not_brought_along_by_the_next():
    middle = stage("lobi", requests=requests(0.9, seed=1), accuracy=GOOD)
    last = stage("all", requests=requests(0.5, seed=2), accuracy=GOOD)
    advice = judged(stage(accuracy=GOOD), failed_while_measured("hsd"), middle, last)
    assert [advice[name].verdict for name in ("lobi", "all")] == ["undecided", "switch on"]
    assert advice["all"].method == "HSD with an intermediate level"


@pytest.mark.parametrize("retrieves", [True, False])
def test_what_a_failed_step_before_can_move_is_left_open_and_its_loss_says_so(retrieves):
    few = found(0.9).model_copy(update={"queries": 8, "recalls": (1.0, 0.0) * 4})
    scores = (accuracy(12, 20).model_copy(update={"retrieves": retrieves}),)
    before = stage(retrieval=few, accuracy=scores)
    other = few.model_copy(update={"recalls": (0.0, 1.0) * 4})
    behind = stage("all", retrieval=other, accuracy=scores)
    warned = analyse(results(before, failed_while_measured("adacomp"), behind)).warnings
    assert any("Too small a sample for recall" in one for one in warned)
    assert any("Too small a sample for gsm8k" in one for one in warned) == retrieves
    lost = stage("all", retrieval=found(0.1), accuracy=scores)
    advice = judged(stage(retrieval=found(0.9), accuracy=scores), failed_while_measured("adacomp"), lost)
    assert (advice["all"].verdict, advice["all"].reasons[-1]) == ("leave off", ALONG.format("+ AdaComp"))


def test_a_step_that_fails_as_the_baseline_does_is_not_measured():
    analysis = analyse(results(failed("baseline", ENDED), failed("hsd", ENDED)))
    (advice,) = analysis.advice
    assert advice.verdict == "not measured"
    assert advice.reasons[0].startswith("it failed, and so did the baseline: the server ended")
    assert summary(analysis.advice) == "Not measured: HSD."


def test_a_step_without_a_finished_stage_before_it_is_undecided():
    advice = judged(failed("baseline", ENDED), stage("hsd"))["hsd"]
    assert (advice.verdict, advice.reasons) == ("undecided", ("no stage before it was measured",))


def test_a_step_without_a_score_that_the_step_before_has_is_undecided_and_says_why():
    fast = {
        "requests": requests(0.7, seed=1),
        "unscored": {"gsm8k": "lm-eval ended (log: b.log):\nKeyError: 'x'"},
    }
    analysis = analyse(results(stage(accuracy=GOOD), stage("hsd", **fast)))
    (advice,) = analysis.advice
    assert (advice.verdict, advice.reasons[-1]) == ("undecided", "it has no score of gsm8k")
    assert advice.reasons[0].startswith("lower latency: ")
    assert "No score of gsm8k for + HSD: lm-eval ended (log: b.log): KeyError: 'x'" in analysis.warnings
    both = [stage(unscored=fast["unscored"]), stage("hsd", **fast)]
    assert judged(*both)["hsd"].verdict == "switch on"


UNSCORED = {"accuracy": (), "unscored": {"gsm8k": "HTTP 500"}}
LOSS = "it loses gsm8k exact match: \N{MINUS SIGN}20.0 points "


@pytest.mark.parametrize(("between", "last"), [("hsd", "adacomp"), ("adacomp", "lobi")])
def test_a_loss_of_accuracy_counts_across_a_step_that_lost_its_score(between, last):
    def pilot(score):
        scores = (score.model_copy(update={"retrieves": True}),)
        after = stage(last, requests=requests(0.5, seed=2), accuracy=scores, retrieval=found(0.9))
        middle = stage(between, requests=requests(0.9, seed=1), retrieval=found(0.9), **UNSCORED)
        return results(stage(accuracy=GOOD, retrieval=found(0.9)), middle, after)

    lost = analyse(pilot(accuracy(84))).advice[1]
    assert (lost.verdict, len(lost.reasons)) == ("leave off", 1)
    assert lost.reasons[0].startswith(LOSS)
    assert lost.reasons[0].endswith(" against Baseline")
    kept = analyse(pilot(accuracy(124, shift=6))).advice[1]
    assert kept.verdict == "switch on"
    assert any(reason.endswith("not ruled out by 200 questions against Baseline") for reason in kept.reasons)
    risen = analyse(pilot(accuracy(170))).advice[1]
    assert not any(reason.startswith("higher gsm8k") for reason in risen.reasons)


def test_a_score_is_compared_with_the_last_step_that_has_it_and_with_the_baseline():
    middle = stage("adacomp", requests=requests(0.9, seed=2), **UNSCORED)
    scored = [stage(accuracy=GOOD), stage("hsd", requests=requests(0.9, seed=1), accuracy=GOOD)]
    analysis = analyse(
        results(*scored, middle, stage("lobi", requests=requests(0.5), accuracy=(accuracy(84),)))
    )
    against = {
        one.against: one.step for one in analysis.comparisons if (one.stage, one.unit) == ("lobi", "question")
    }
    assert against == {"baseline": False, "hsd": True}
    assert analysis.advice[-1].reasons[0].endswith(" against + HSD")


def test_a_step_without_a_score_that_an_older_stage_has_is_undecided():
    steps = [
        stage(name, requests=requests(factor, seed=1), **UNSCORED)
        for name, factor in (("hsd", 0.7), ("all", 0.5))
    ]
    advice = judged(stage(accuracy=GOOD), *steps)["all"]
    assert (advice.verdict, advice.reasons[-1]) == ("undecided", "it has no score of gsm8k")


def test_unanswered_requests_are_a_loss():
    advice = judged(stage(), stage("hsd", requests=requests(0.5, seed=1)[:-8], failed_requests=8))["hsd"]
    assert advice.verdict == "leave off"
    assert advice.reasons[0] == "8 of 80 requests got no answer"


REFUSED = "p3: Error code: 400 - too long\n\x1b[31m" + "<p> </p>" * 99


def test_the_reason_of_the_first_unanswered_request_is_said_in_short():
    lost = {"requests": requests()[:-8], "failed_requests": 8, "first_failure": REFUSED}
    (warning,) = [
        one for one in analyse(results(stage(), stage("hsd", **lost))).warnings if "no answer" in one
    ]
    said = "8 of 80 requests of + HSD got no answer; the figures are those of the others"
    assert warning.startswith(f"{said}; the first: p3: Error code: 400 - too long ")
    assert len(warning) <= len(f"{said}; the first: ") + 200
    assert "\n" not in warning
    old = analyse(results(stage(), stage("hsd", **lost | {"first_failure": None})))
    assert f"{said}." in old.warnings


def test_what_no_stage_answered_is_said_once():
    lost = {"requests": requests()[:-8], "failed_requests": 8, "first_failure": "p3: too long"}
    three = [stage(**lost), stage("hsd", **lost), stage("all", **lost)]
    said = [one for one in analyse(results(*three)).warnings if "no answer" in one]
    assert said == [
        "8 of 80 requests of every stage got no answer; the figures are those of the others; the first: p3: too long"
    ]
    fewer = [*three[:2], failed("all")]
    assert [one for one in analyse(results(*fewer)).warnings if "no answer" in one] == said
    (alone,) = [one for one in analyse(results(three[0])).warnings if "no answer" in one]
    assert alone.startswith("8 of 80 requests of Baseline ")


def test_a_skipped_step_is_not_measured():
    skipped = stage("lobi", status="skipped", requests=(), error="compress_python is null")
    advice = judged(stage(), skipped)["lobi"]
    assert (advice.verdict, advice.reasons) == ("not measured", ("compress_python is null",))


@pytest.mark.parametrize(
    ("name", "retrieves", "said"),
    [("hsd", True, False), ("adacomp", False, False), ("adacomp", True, True), ("lobi", False, True)],
)
def test_a_loss_that_few_questions_cannot_rule_out_is_said_of_what_can_move_them(name, retrieves, said):
    few = (accuracy(12, 20).model_copy(update={"retrieves": retrieves}),)
    recall = found(0.9)
    stages = [
        stage(accuracy=few, retrieval=recall),
        stage(name, requests=requests(0.7, seed=1), accuracy=few, retrieval=recall),
    ]
    advice = judged(*stages)[name]
    assert advice.verdict == "switch on"
    open_losses = [one for one in advice.reasons if "points of gsm8k" in one]
    assert [one.endswith("is not ruled out by 20 questions") for one in open_losses] == [True] * said
    warnings = analyse(results(*stages)).warnings
    assert any("Too small a sample for gsm8k" in one for one in warnings) == said


def test_the_gain_of_hsd_is_not_put_down_to_the_level_that_brings_it_along():
    last = stage("all", requests=requests(0.7, seed=1))
    assert summary(analyse(results(stage(), last)).advice) == "Switch on HSD with an intermediate level."
    behind = analyse(results(stage(), stage("hsd", requests=requests(0.9, seed=2)), last)).advice
    assert summary(behind) == "Switch on HSD and the intermediate level."


def test_the_summary_names_every_method_once():
    text = summary(analyse(full_results()).advice)
    assert text == "Switch on HSD, AdaComp and Lo-Bi. Leave off the intermediate level."
    assert summary([]) == "Only the baseline was measured."


def test_every_comparison_that_shows_nothing_has_a_sentence_and_small_samples_a_warning():
    analysis = analyse(full_results())
    silent = [one for one in analysis.comparisons if not one.improved and not one.worsened]
    said = [text for text in analysis.sentences if text.startswith("Not significant: ")]
    assert len(said) == len(silent) > 0
    assert any("latency of + intermediate level against + Lo-Bi" in text for text in said)
    (warning,) = [text for text in analysis.warnings if "recall of + AdaComp against + HSD" in text]
    assert "instead of 60 queries would narrow that to 2 points either way." in warning
    assert not any("latency" in text for text in analysis.warnings)


def searched(seconds):
    return Retrieval(recall=0.9, tokens=400, skipped=0, queries=60, seconds=seconds)


def test_the_time_of_the_search_is_waited_for_and_not_paid_for():
    asked = requests(searched=True)
    before = stage(retrieval=searched(0.1), requests=asked)
    after = stage("adacomp", retrieval=searched(0.3), requests=asked)
    plain, waited = analyse(priced(stage(), stage("adacomp"))), analyse(priced(before, after))
    for number, seconds in enumerate((0.1, 0.3)):
        then, now = plain.findings[number], waited.findings[number]
        assert now.speed.latency.mean == pytest.approx(then.speed.latency.mean + seconds)
        assert now.speed.first_token.p95 == pytest.approx(then.speed.first_token.p95 + seconds)
        assert now.cost == then.cost
    (latency,) = [one for one in waited.comparisons if one.measure == "latency"]
    mean = plain.findings[0].speed.latency.mean
    assert latency.estimate.value == pytest.approx((mean + 0.3) / (mean + 0.1))
    partly = analyse(results(before, stage("adacomp", retrieval=searched(None), requests=asked)))
    assert partly.findings[0].speed == plain.findings[0].speed


def test_prompts_that_search_nothing_do_not_wait_for_a_search():
    def mixed(name, seconds):
        both = (one.model_copy(update={"searched": one.prompt == "p0"}) for one in requests())
        return stage(name, retrieval=searched(seconds), requests=tuple(both))

    plain, waited = (analyse(results(mixed("baseline", 0), mixed("adacomp", one))) for one in (0, 0.4))
    then, now = (one.findings[1].speed.latency.mean for one in (plain, waited))
    assert now == pytest.approx(then + 0.4 / 80)


def test_cost_is_machine_time_and_tokens():
    found = analyse(full_results()).findings[0]
    assert found.cost.machine == pytest.approx(0.42 * 1000 * (312 / 80) / 3600)
    assert found.cost.tokens_in == pytest.approx(found.speed.tokens_in * 1000 * 0.1 / 1e6)
    assert found.cost.total == pytest.approx(
        found.cost.machine + found.cost.tokens_in + found.cost.tokens_out
    )
    assert analyse(results()).findings[0].cost is None
    untimed = analyse(priced(stage(seconds=0.0))).findings[0]
    assert untimed.cost is None
