"""Fitting the depth policy and the none-gate to labelled queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hola_plugins.adacomp.conformal import (
    NEVER,
    check_target,
    coverage_threshold,
    fewest_labels,
    recall_threshold,
)
from hola_plugins.adacomp.decision import DepthBounds
from hola_plugins.adacomp.gate import evidence, evidence_floor
from hola_plugins.adacomp.logistic import LogisticModel, fit_logistic
from hola_plugins.adacomp.signals import Float64, Signal, measure_all, names_of
from hola_plugins.adacomp.source import Candidates

Promise: TypeAlias = Literal["coverage", "recall"]
"""coverage: all relevant passages of a query are kept, in that share of queries that have some. recall: mean recall."""

_FOLDS = 10


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A query whose relevant passages are known.

    Attributes:
        query: The question.
        candidates: What the search found.
        relevant: Which candidates are relevant, bool[n].
        missing: Relevant passages that the search did not find.
        one_suffices: Whether any one of the relevant passages answers the query.
    """

    query: str
    candidates: Candidates
    relevant: NDArray[np.bool_]
    missing: int = 0
    one_suffices: bool = False


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt from labelled queries.

    Attributes:
        signals: Names of the columns that the model weighs.
        model: Log-odds of relevance from a row of signals.
        threshold: Log-odds from which a passage is kept; -inf keeps all that is allowed.
        floor: Evidence (see `gate.evidence`) under which the corpus has nothing; -inf never.
        promise: What the target is a share of.
        target: The share.
        labels: Labelled queries behind the threshold: those with a relevant passage.
        reach: Share of them whose relevant passages all lie within the depth limit.
        bounds: Depth bounds in force; others void the promise.
        false_skips: Share of queries with a relevant passage that the none-gate may turn away; None if unknown.
        floor_labels: Labelled queries behind the floor: those with a relevant passage, where the search gave similarities.
    """

    signals: tuple[str, ...]
    model: LogisticModel
    threshold: float
    floor: float
    promise: Promise
    target: float
    labels: int
    reach: float
    bounds: DepthBounds
    false_skips: float | None = None
    floor_labels: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Says what the labels cannot carry; empty where all is well."""
        return (*self._depth_warnings(), *self._gate_warnings())

    def _depth_warnings(self) -> tuple[str, ...]:
        """Says that every query gets all that is allowed, where it does."""
        if self.threshold != NEVER:
            return ()
        needed, k_max = fewest_labels(self.target), self.bounds.k_max
        if self.labels < needed:
            text = (
                f"{self.labels} labelled queries with a relevant passage cannot carry a target of {self.target:g}: every "
                f"query gets k_max = {k_max} passages; give at least {needed}, better 200"
            )
        else:
            text = (
                f"{self.reach:.0%} of the labelled queries have all their passages among the first {k_max}, which "
                f"cannot carry a target of {self.target:g}: every query gets k_max; raise it or lower the target"
            )
        return (text,)

    def _gate_warnings(self) -> tuple[str, ...]:
        """Says that the none-gate never closes, where similarities were there to close it by."""
        if self.floor != NEVER or not self.floor_labels or self.false_skips is None:
            return ()
        text = (
            f"{self.floor_labels} labelled queries with a relevant passage cannot carry a none-gate that turns away at "
            f"most {self.false_skips:g} of such queries: it never closes, and a question that the corpus has nothing on "
            f"gets passages; give at least {fewest_labels(1.0 - self.false_skips)}, or raise false_skips"
        )
        return (text,)

    def warnings_with(self, bounds: DepthBounds, *, own_gate: bool = True) -> tuple[str, ...]:
        """Gives the warnings for a use of it.

        Args:
            bounds: Depth bounds in use; of others than its own it is said that they void the promise.
            own_gate: Whether its floor is in use.
        """
        known = self.warnings if own_gate else self._depth_warnings()
        if bounds == self.bounds:
            return known
        made = self.bounds
        text = (
            f"calibrated for k_min = {made.k_min} and k_max = {made.k_max}, used with {bounds.k_min} and "
            f"{bounds.k_max}: its target is not promised; use the same, or calibrate again"
        )
        return (*known, text)


def calibrate(
    examples: Sequence[LabelledQuery],
    signals: Sequence[Signal],
    *,
    target: float = 0.9,
    promise: Promise = "coverage",
    bounds: DepthBounds | None = None,
    false_skips: float = 0.02,
    model: LogisticModel | None = None,
) -> Calibration:
    """Learns weights and thresholds.

    Without `model`, the weights come from the same queries, and each query is scored by weights learnt
    without it (cross-conformal), so that none is spent on a split; the target then holds up to the small
    difference between weights of nine tenths and of all. With `model` it holds exactly.

    What is promised holds for the queries that have a relevant passage and that the none-gate lets through; it turns
    away at most `false_skips` of them besides. Queries without a relevant passage teach the weights alone.

    Args:
        examples: Labelled queries; those without any relevant passage may be among them.
        signals: What to weigh.
        target: Share wanted, in (0, 1).
        promise: What it is a share of.
        bounds: Depth bounds; 1 to 20 by default.
        false_skips: Share of queries with a relevant passage that the none-gate may turn away, in (0, 1); with fewer
            than 1 / false_skips - 1 such queries it never closes, and `Calibration.warnings` says so.
        model: Weights from elsewhere; then only the thresholds are fitted, for which 50 queries do.

    Raises:
        ValueError: Too few queries, a share outside (0, 1), weights of other signals, or labels that teach nothing.
    """
    _check(len(examples), signals, target, false_skips, model)
    bounds = bounds or DepthBounds()
    rows = [measure_all(signals, example.query, example.candidates) for example in examples]
    needs = [need for need in _needs(examples, rows, bounds, model) if len(need)]
    if not needs:
        raise ValueError("no labelled query has a relevant passage: give some that have, 200 are good")
    if promise == "coverage":
        threshold = coverage_threshold([float(need.min()) for need in needs], target)
    else:
        threshold = recall_threshold(needs, target)
    found = [evidence(e.candidates) for e in examples if _tells_of_evidence(e)]
    return Calibration(
        signals=names_of(signals),
        model=model or _fit(examples, rows),
        threshold=threshold,
        floor=evidence_floor(found, false_skips),
        promise=promise,
        target=target,
        labels=len(needs),
        reach=float(np.mean([bool(np.all(need > NEVER)) for need in needs])),
        bounds=bounds,
        false_skips=false_skips,
        floor_labels=len(found),
    )


def _check(
    labels: int, signals: Sequence[Signal], target: float, false_skips: float, model: LogisticModel | None
) -> None:
    """Refuses what cannot be calibrated with."""
    check_target(target)
    if not 0.0 < false_skips < 1.0:
        raise ValueError(
            f"false_skips must be over 0 and under 1, got {false_skips}: 0.02 is a common choice"
        )
    needed = 1 if model is not None else 2
    if labels < needed:
        raise ValueError(f"at least {needed} labelled queries are needed, got {labels}: 200 are good")
    columns = len(names_of(signals))
    if model is not None and len(model.weights) != columns:
        raise ValueError(
            f"the weights must be of {columns} signals, got {len(model.weights)}: calibrate without them"
        )


def _tells_of_evidence(example: LabelledQuery) -> bool:
    """Says whether a query has relevant passages and the search found some with a similarity."""
    has_some = bool(example.relevant.any()) or example.missing > 0
    return has_some and len(example.candidates) > 0 and example.candidates.scored


def _needs(
    examples: Sequence[LabelledQuery],
    rows: Sequence[Float64],
    bounds: DepthBounds,
    model: LogisticModel | None,
) -> list[Float64]:
    """Gives the log-odds of every relevant passage by query, by weights that have not seen the query."""
    if model is not None:
        return [_need(e, model.log_odds(row), bounds) for e, row in zip(examples, rows, strict=True)]
    needs: list[Float64] = [np.zeros(0)] * len(examples)
    folds = min(_FOLDS, len(examples))
    for fold in range(folds):
        rest = [place for place in range(len(examples)) if place % folds != fold]
        fitted = _fit([examples[place] for place in rest], [rows[place] for place in rest])
        for place in range(fold, len(examples), folds):
            needs[place] = _need(examples[place], fitted.log_odds(rows[place]), bounds)
    return needs


def _need(example: LabelledQuery, log_odds: Float64, bounds: DepthBounds) -> Float64:
    """Gives the threshold that each relevant passage needs: its log-odds; inf if always kept, -inf if never."""
    order = np.argsort(-log_odds, kind="stable")
    values = log_odds.copy()
    values[order[: bounds.k_min]] = np.inf
    values[order[bounds.k_max :]] = NEVER
    needs = np.concatenate([values[example.relevant], np.full(example.missing, NEVER)])
    return np.array([needs.max()]) if example.one_suffices and len(needs) else needs


def _fit(examples: Sequence[LabelledQuery], rows: Sequence[Float64]) -> LogisticModel:
    """Fits the weights to all candidates of all queries."""
    filled = [place for place, row in enumerate(rows) if len(row)]
    if not filled:
        raise ValueError("the search found nothing for any labelled query: is the corpus empty?")
    return fit_logistic(
        np.concatenate([rows[place] for place in filled]),
        np.concatenate([examples[place].relevant for place in filled]),
    )
