"""Cases small enough to work out by hand, each at the edge of a rule: gate, thresholds, gap, budget and widening."""

import numpy as np
import pytest
from synthetic import candidates, labelled

from hola_plugins.adacomp.calibration import LabelledQuery, _needs, calibrate
from hola_plugins.adacomp.compression import compress
from hola_plugins.adacomp.conformal import NEVER, recall_threshold
from hola_plugins.adacomp.decision import DepthBounds, DepthDecision
from hola_plugins.adacomp.fusion import ranked
from hola_plugins.adacomp.gate import EvidenceGate
from hola_plugins.adacomp.lexical import match_among
from hola_plugins.adacomp.logistic import LogisticModel
from hola_plugins.adacomp.policy import GapPolicy
from hola_plugins.adacomp.signals import ScoreShape, measure_all
from hola_plugins.adacomp.widening import SearchStep, wider

AS_IT_IS = LogisticModel(np.zeros(1), np.ones(1), np.ones(1), 0.0)
"""Weights that take the one signal for the log-odds."""


class Similarity:
    names = ("similarity",)

    def measure(self, query, found):
        return found.dense.astype(np.float64)[:, None]


def threshold(relevant, bounds, *, one_suffices=False):
    """The threshold that one labelled query of four passages gives."""
    rows = np.isin(np.arange(4), relevant)
    query = LabelledQuery("q", candidates([0.875, 0.75, 0.5, 0.25]), rows, one_suffices=one_suffices)
    return calibrate([query], [Similarity()], target=0.5, bounds=bounds, model=AS_IT_IS).threshold


def test_a_source_that_only_ranks_never_closes_the_gate():
    given = (["a", "b"], ["", ""], np.array([0.5, 0.25], dtype=np.float32), match_among("q", ["", ""]))
    assert EvidenceGate(2.0).closes(ranked(*given))
    assert not EvidenceGate(2.0).closes(ranked(*given, scored=False))


def test_the_best_of_several_passages_counts_where_one_suffices_and_the_worst_where_not():
    assert threshold([1, 3], DepthBounds(1, 4), one_suffices=True) == 0.75
    assert threshold([1, 3], DepthBounds(1, 4)) == 0.25


@pytest.mark.parametrize(("row", "expected"), [(0, np.inf), (1, 0.75), (2, 0.5), (3, NEVER)])
def test_passages_down_to_rank_k_max_are_in_reach(row, expected):
    assert threshold([row], DepthBounds(1, 3)) == expected


def test_a_query_is_scored_by_weights_that_have_not_seen_its_labels():
    rng = np.random.default_rng(0)
    examples, other = [labelled(rng) for _ in range(30)], 4
    rows = [measure_all([ScoreShape()], one.query, one.candidates) for one in examples]

    def needs(relevant):
        asked = LabelledQuery("q", examples[7].candidates, np.isin(np.arange(40), relevant))
        found = _needs([*examples[:7], asked, *examples[8:]], rows, DepthBounds(1, 40), None)
        return found[7][:3], found[other]

    (few, others), (many, changed) = needs([5, 10, 15]), needs([5, 10, 15, 20, 25, 30, 35])
    assert np.isfinite(few).all()
    assert many.tolist() == few.tolist()
    assert changed.tolist() != others.tolist()


@pytest.mark.parametrize(
    ("target", "expected"), [(0.5, 2.0), (0.6, 2.0), (0.7, 1.0), (0.8, 1.0), (0.81, NEVER)]
)
def test_mean_recall_counts_the_next_query_as_a_miss(target, expected):
    scores = [np.array([value]) for value in (4.0, 3.0, 2.0, 1.0)]
    assert recall_threshold(scores, target) == expected


def test_the_gap_below_rank_k_max_counts():
    assert GapPolicy(0).decide("q", candidates([0.9, 0.8, 0.1]), DepthBounds(1, 2)).k == 2


@pytest.mark.parametrize(("budget", "kept"), [(5, (0,)), (4, (1,))])
def test_a_sentence_that_fits_the_budget_exactly_is_kept(budget, kept):
    scores = np.array([1.0, 0.0], dtype=np.float32)
    (found,) = compress(["aaaa. bb."], [["aaaa.", "bb."]], [scores], budget, len)
    assert found.kept == kept


def test_the_last_quarter_of_a_search_widens_it():
    found, order = candidates(np.linspace(0.9, 0.1, 8)), tuple(range(8))
    assert wider(SearchStep(8), found, DepthDecision("largest_gap", order, 7), 2) == SearchStep(32, 4, 1)
    assert wider(SearchStep(8), found, DepthDecision("largest_gap", order, 6), 2) is None
