"""Calibration: its promise on questions not seen, what it warns of, its file, and the gates beside it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from synthetic import candidates, labelled

from hola_plugins.adacomp import calibration_file
from hola_plugins.adacomp.calibrated import CalibratedPolicy
from hola_plugins.adacomp.calibration import LabelledQuery, calibrate
from hola_plugins.adacomp.conformal import NEVER
from hola_plugins.adacomp.decision import DepthBounds
from hola_plugins.adacomp.fusion import ranked
from hola_plugins.adacomp.gate import EvidenceGate, evidence, evidence_floor
from hola_plugins.adacomp.logistic import fit_logistic, probability
from hola_plugins.adacomp.policy import GapPolicy
from hola_plugins.adacomp.signals import ScoreShape, WordCoverage, measure_all
from hola_plugins.adacomp.source import WordMatch

SIGNALS = (ScoreShape(), WordCoverage())
BOUNDS = DepthBounds(1, 20)


def questions(seed, count):
    rng = np.random.default_rng(seed)
    return [labelled(rng) for _ in range(count)]


def without_relevant(seed, count):
    rng = np.random.default_rng(seed)
    return [
        LabelledQuery("q", candidates(rng.normal(0.3, 0.1, 40)), np.zeros(40, dtype=bool))
        for _ in range(count)
    ]


def coverage_and_depth(calibration, test):
    policy = CalibratedPolicy(calibration, SIGNALS)
    kept = [policy.decide(q.query, q.candidates, BOUNDS).kept for q in test]
    covered = [q.relevant[list(rows)].sum() == q.relevant.sum() for q, rows in zip(test, kept, strict=True)]
    return np.mean(covered), np.mean([len(rows) for rows in kept])


@pytest.mark.parametrize("besides", [0, 100])
@pytest.mark.parametrize("target", [0.7, 0.85])
def test_unseen_questions_are_covered_at_the_target(target, besides):
    test = questions(99, 300)
    labels = [[*questions(s, 100), *without_relevant(s, besides)] for s in range(8)]
    found = [coverage_and_depth(calibrate(some, SIGNALS, target=target), test)[0] for some in labels]
    assert abs(np.mean(found) - target) < 4 * math.sqrt(target * (1 - target) / 100 / len(found)) + 0.02


def test_a_higher_target_keeps_more_and_depth_follows_the_question():
    examples, test = questions(1, 150), questions(2, 200)
    depths = [coverage_and_depth(calibrate(examples, SIGNALS, target=t), test)[1] for t in (0.6, 0.8, 0.9)]
    assert depths == sorted(depths)
    policy = CalibratedPolicy(calibrate(examples, SIGNALS, target=0.8), SIGNALS)
    assert len({policy.decide(q.query, q.candidates, BOUNDS).k for q in test}) > 3


def test_weights_from_elsewhere_need_only_the_threshold():
    elsewhere = calibrate(questions(3, 150), SIGNALS)
    refitted = calibrate(questions(4, 50), SIGNALS, target=0.8, model=elsewhere.model)
    assert refitted.model is elsewhere.model
    assert refitted.threshold != elsewhere.threshold
    assert coverage_and_depth(refitted, questions(5, 300))[0] > 0.65


def test_too_few_labels_warn_and_give_the_depth_limit_in_the_fused_order():
    calibration = calibrate(questions(6, 5), SIGNALS, target=0.9)
    warning, gate = calibration.warnings
    assert "5 labelled queries with a relevant passage cannot carry a target of 0.9" in warning
    assert "5 labelled queries with a relevant passage cannot carry a none-gate" in gate
    decision = CalibratedPolicy(calibration, SIGNALS).decide("q", candidates(np.linspace(1, 0, 40)), BOUNDS)
    assert (decision.reason, decision.k, decision.kept) == ("depth_limit", 20, tuple(range(20)))


def test_passages_out_of_reach_warn():
    lost = [
        LabelledQuery(q.query, q.candidates, q.relevant, missing=int(i < 40))
        for i, q in enumerate(questions(7, 100))
    ]
    calibration = calibrate(lost, SIGNALS, target=0.9)
    assert calibration.reach == pytest.approx(0.6, abs=0.02)
    assert "raise it or lower the target" in calibration.warnings[0]


def test_mean_recall_asks_for_less_than_coverage():
    examples = questions(8, 150)
    recall = calibrate(examples, SIGNALS, target=0.8, promise="recall")
    assert recall.threshold >= calibrate(examples, SIGNALS, target=0.8).threshold


def test_one_of_several_answers_suffices():
    examples = questions(9, 100)
    either = [LabelledQuery(q.query, q.candidates, q.relevant, one_suffices=True) for q in examples]
    assert calibrate(either, SIGNALS).threshold >= calibrate(examples, SIGNALS).threshold


@pytest.mark.parametrize(
    ("examples", "match"),
    [
        ([], "at least 2 labelled queries are needed, got 0"),
        ([LabelledQuery("q", candidates([0.5, 0.4]), np.zeros(2, dtype=bool), 1)] * 3, "relevant and other"),
    ],
)
def test_labels_that_teach_nothing_are_refused(examples, match):
    with pytest.raises(ValueError, match=match):
        calibrate(examples, SIGNALS)


def test_wrong_shares_weights_and_too_few_labels_are_refused_by_name():
    examples = questions(20, 30)
    with pytest.raises(ValueError, match="false_skips must be over 0 and under 1, got 0"):
        calibrate(examples, SIGNALS, false_skips=0)
    with pytest.raises(ValueError, match="at least 2 labelled queries are needed, got 1"):
        calibrate(examples[:1], SIGNALS)
    with pytest.raises(ValueError, match="weights must be of 16 signals, got 10"):
        calibrate(examples, SIGNALS, model=calibrate(examples, SIGNALS[:1]).model)


def test_a_query_that_finds_nothing_is_a_miss():
    examples = questions(21, 60)
    nothing = LabelledQuery("q", candidates([]), np.zeros(0, dtype=bool), 1)
    calibration = calibrate([*examples, nothing], SIGNALS, target=0.8)
    assert calibration.reach < 1.0
    assert calibration.floor == calibrate(examples, SIGNALS, target=0.8).floor


def test_questions_without_a_relevant_passage_do_not_open_the_gate():
    examples = questions(22, 100)
    besides = [LabelledQuery("q", candidates([0.01, 0.0]), np.zeros(2, dtype=bool)) for _ in range(10)]
    assert calibrate([*examples, *besides], SIGNALS).floor == calibrate(examples, SIGNALS).floor


@pytest.mark.parametrize("promise", ["coverage", "recall"])
def test_questions_without_a_relevant_passage_carry_no_promise(promise):
    elsewhere, examples = calibrate(questions(3, 150), SIGNALS).model, questions(23, 100)
    alone, mixed = (
        calibrate(labels, SIGNALS, target=0.8, promise=promise, model=elsewhere)
        for labels in (examples, [*examples, *without_relevant(24, 100)])
    )
    assert (mixed.threshold, mixed.labels, mixed.reach) == (alone.threshold, alone.labels, alone.reach)


def test_labels_without_any_relevant_passage_are_refused():
    elsewhere = calibrate(questions(3, 150), SIGNALS).model
    with pytest.raises(ValueError, match="no labelled query has a relevant passage: give some"):
        calibrate(without_relevant(25, 60), SIGNALS, model=elsewhere)


def test_few_labels_with_a_relevant_passage_among_many_warn():
    for warning in calibrate([*questions(6, 5), *without_relevant(26, 95)], SIGNALS).warnings:
        assert warning.startswith("5 labelled queries with a relevant passage cannot carry")


@pytest.mark.parametrize(("false_skips", "needed"), [(0.02, 49), (0.05, 19), (0.3, 3)])
def test_a_gate_that_never_closes_warns_with_the_least_number_of_labels(tmp_path, false_skips, needed):
    short, enough = (
        calibrate(questions(6, count), SIGNALS, target=0.5, false_skips=false_skips)
        for count in (needed - 1, needed)
    )
    assert (enough.warnings, enough.floor > NEVER) == ((), True)
    (warning,) = short.warnings
    assert warning.startswith(f"{needed - 1} labelled queries")
    assert f"at most {false_skips:g} of such queries: it never closes" in warning
    assert f"give at least {needed}, or raise false_skips" in warning
    calibration_file.save(short, tmp_path / "c.json")
    assert calibration_file.load(tmp_path / "c.json").warnings == (warning,)
    assert short.warnings_with(BOUNDS, own_gate=False) == ()


def test_a_source_without_similarities_has_no_gate_to_warn_of():
    by_rank = [
        LabelledQuery(q.query, replace(q.candidates, scored=False), q.relevant) for q in questions(6, 20)
    ]
    calibration = calibrate(by_rank, SIGNALS, target=0.5)
    assert (calibration.floor, calibration.warnings) == (NEVER, ())


def test_a_file_that_does_not_tell_of_the_gate_is_read(tmp_path):
    content = calibration_file.as_json(calibrate(questions(6, 20), SIGNALS, target=0.5))
    del content["false_skips"], content["floor_labels"]
    (tmp_path / "c.json").write_text(json.dumps(content))
    assert calibration_file.load(tmp_path / "c.json").warnings == ()


def test_the_file_gives_the_same_decisions(tmp_path):
    calibration = calibrate(questions(10, 60), SIGNALS, target=0.8)
    calibration_file.save(calibration, tmp_path / "c.json")
    loaded = calibration_file.load(tmp_path / "c.json")
    query = questions(11, 1)[0]
    before, after = (
        CalibratedPolicy(c, SIGNALS).decide("q", query.candidates, BOUNDS) for c in (calibration, loaded)
    )
    assert before == after
    assert calibration_file.as_json(loaded) == calibration_file.as_json(calibration)


def test_the_file_keeps_a_threshold_that_never_cuts(tmp_path):
    calibration_file.save(calibrate(questions(6, 5), SIGNALS), tmp_path / "c.json")
    loaded = calibration_file.load(tmp_path / "c.json")
    assert loaded.threshold == loaded.floor == NEVER


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(format=2),
        lambda c: c.update(promise="magic"),
        lambda c: c.pop("threshold"),
        lambda c: c["signals"][0].update(scale=0.0),
        lambda c: c["signals"][0].update(weight="nan"),
        lambda c: c.update(threshold=float("nan")),
        lambda c: c.update(floor=float("inf")),
        lambda c: c.update(target=float("nan")),
        lambda c: c.update(reach=float("nan")),
        lambda c: c.update(signals=3),
        lambda c: c.update(k_min=0),
        lambda c: c.update(false_skips=float("nan")),
        lambda c: c.update(false_skips="0.02"),
        lambda c: c.update(floor_labels=None),
    ],
)
def test_an_altered_file_is_refused(tmp_path, change):
    path = tmp_path / "c.json"
    content = calibration_file.as_json(calibrate(questions(10, 30), SIGNALS))
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"c\.json.*must be a calibration of format 1"):
        calibration_file.load(path)


def test_other_signals_are_refused():
    calibration = calibrate(questions(10, 30), SIGNALS)
    with pytest.raises(ValueError, match="signals must be those of the calibration"):
        CalibratedPolicy(calibration, (ScoreShape(),))


def test_a_broken_signal_is_named():
    class Broken:
        names = ("broken",)

        def measure(self, query, found):
            return np.full((len(found), 1), np.nan)

    with pytest.raises(ValueError, match="signal Broken"):
        measure_all((ScoreShape(), Broken()), "q", candidates([1.0, 0.5]))


@pytest.mark.parametrize("n", [1, 2, 3, 60])
def test_signals_are_finite_for_any_number_of_candidates(n):
    assert measure_all(SIGNALS, "q", candidates(np.linspace(1, 0.9, n))).shape == (n, 16)
    assert np.isfinite(measure_all(SIGNALS, "q", candidates(np.ones(n)))).all()


def test_the_logistic_fit_finds_the_weights_that_made_the_labels():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, 3))
    relevant = rng.random(20_000) < probability(rows @ [2.0, -1.0, 0.0] - 1.0)
    model = fit_logistic(rows, relevant, ridge=0.0)
    assert np.allclose(model.weights / model.scale, [2, -1, 0], atol=0.15)


def test_separable_labels_do_not_run_away():
    rows = np.linspace(-1, 1, 40)[:, None]
    model = fit_logistic(rows, rows[:, 0] > 0)
    assert np.isfinite(model.log_odds(rows)).all()


def test_the_policy_without_labels():
    found = candidates([0.9, 0.88, 0.5, 0.49, 0.48, 0.47])
    assert GapPolicy(0).decide("q", found, BOUNDS).kept == (0, 1)
    assert GapPolicy(2).decide("q", found, BOUNDS).kept == (0, 1, 2, 3)
    assert GapPolicy(2).decide("q", found, DepthBounds(5, 20)).k == 5
    assert GapPolicy(0).decide("q", candidates([0.4]), BOUNDS).k == 1
    with pytest.raises(ValueError, match="1 <= k_min <= k_max, got 3 and 2"):
        DepthBounds(3, 2)


def test_the_gate_closes_under_the_floor_and_never_by_rank_alone():
    floor = evidence_floor(np.linspace(0.3, 0.9, 200).tolist(), 0.02)
    assert 0.3 < floor < 0.32
    assert EvidenceGate(floor).closes(candidates([0.2, 0.1]))
    assert not EvidenceGate(floor).closes(candidates([0.5, 0.1]))
    assert evidence_floor([0.5] * 10, 0.02) == NEVER


def test_evidence_is_similarity_and_the_rare_words_of_one_passage():
    match = WordMatch(
        np.zeros(3, dtype=np.float32),
        np.array([[True, False], [False, True], [True, True]]),
        np.array([3.0, 1.0], dtype=np.float32),
    )
    found = ranked(["a", "b", "c"], ["", "", ""], np.array([0.5, 0.6, 0.1], dtype=np.float32), match)
    assert evidence(found, 0.0) == pytest.approx(0.6)
    assert evidence(found, 0.4) == pytest.approx(0.5 + 0.4 * 0.75)
    assert evidence(found, 2.0) == pytest.approx(0.1 + 2.0)
    assert evidence(candidates([0.3, 0.2])) == pytest.approx(0.3)
    assert EvidenceGate(0.7, coverage_worth=0.0).closes(found)
    assert not EvidenceGate(0.7, coverage_worth=0.4).closes(found)
