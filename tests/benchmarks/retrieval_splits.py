"""Random splits of a workload: tune on the labelled half, measure on the other, pool what the splits gave."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hola_plugins.adacomp.calibration import Calibration
from retrieval_cost import work_of_a_query
from retrieval_gate import evidence_of, gate_rates
from retrieval_langchain import embeddings_filter, ensemble
from retrieval_measures import Outcome, fixed_curves, interval, measure, oracle, resampled, saved
from retrieval_policies import (
    BOUNDS,
    Keep,
    adaptive_k,
    autocut,
    calibrated,
    dense_fixed,
    fused_fixed,
    mmr,
    top_p,
    tuned_fixed,
    tuned_similarity,
)
from retrieval_pools import Pool, Searched

OURS = "adacomp"
FIXED = "tuned fixed k"
DEPTHS = range(1, BOUNDS.k_max + 1)
"""Fixed depths that are measured, by the dense ranking and by the fused."""

UNSHOWN = frozenset(
    f"{ranking} k={k}" for ranking in ("dense", "fused") for k in {*DEPTHS} - {1, 2, 4, 10, 20}
)
"""Policies that are in the JSON alone, so that the table stays short."""

_RESAMPLES = 50
"""Bootstrap samples of the questions a split."""

_FALSE_SKIPS = 0.02
"""Share of real questions that the none-gate may turn away."""

_FILTER_THRESHOLD = 0.4
"""Similarity threshold of the EmbeddingsFilter whose work is counted."""

_TARGETS = (0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
"""Targets along our curve."""


@dataclass(slots=True)
class Report:
    """Everything measured on one workload."""

    policies: list[dict[str, Any]]
    targets: list[dict[str, Any]]
    coverage: dict[str, float]
    gates: dict[str, dict[str, float]]
    curves: dict[str, list[dict[str, float]]]
    cost: dict[str, Any]
    calibration: Calibration
    answer_in_context: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        ours = next(row for row in self.policies if row["name"].startswith(OURS))
        return {
            "saved_vs_tuned_fixed_k": ours["saved"],
            "coverage": self.coverage,
            "none_gate": next(iter(self.gates.values())),
            "answer_in_context": self.answer_in_context,
            "targets": self.targets,
            "policies": self.policies,
            "none_gates": self.gates,
            "cost": self.cost,
        }


def compare(
    searched: Searched, off_topic: list[tuple[str, list[str]]], options: argparse.Namespace
) -> Report:
    """Runs every policy on every split."""
    pools = searched.pools
    labels = min(options.calibrate, len(pools) // 2)
    recall, tokens = fixed_curves(pools)
    static = {name: measure(keep, pools) for name, keep in _static(searched).items()}
    found = {name: evidence_of(searched, prompts) for name, prompts in off_topic}
    rows: dict[str, list[Outcome]] = {}
    tests: list[np.ndarray] = []
    gates: dict[str, list[dict[str, float]]] = {name: [] for name in found}
    for split in range(options.splits):
        order = np.random.default_rng(split).permutation(len(pools))
        chosen, test = order[:labels], order[labels:]
        tests.append(test)
        training, rest = [pools[row] for row in chosen], [pools[row] for row in test]
        tuned, learnt = _tuned(training, options.target)
        for name, keep in tuned.items():
            rows.setdefault(name, []).append(measure(keep, rest))
        for name, outcome in static.items():
            rows.setdefault(name, []).append(Outcome(outcome.rows[test]))
        for name, evidence in found.items():
            gates[name].append(gate_rates(training, rest, evidence, _FALSE_SKIPS))
    policies = [_row(name, outcomes, tests, recall, tokens) for name, outcomes in rows.items()]
    ours = [outcome.means()["all_gold"] for outcome in rows[f"{OURS} {options.target:g}"]]
    return Report(
        policies=policies,
        targets=_by_target(rows, policies, tests, recall, tokens, options.target),
        coverage={"target": options.target, "achieved": float(np.mean(ours)), "sd": float(np.std(ours))},
        gates={name: _gate_over_splits(found) for name, found in gates.items()},
        curves=_curves(searched, rows),
        cost=work_of_a_query(searched, learnt, _FILTER_THRESHOLD),
        calibration=learnt,
    )


def _static(searched: Searched) -> dict[str, Keep]:
    """Policies that need no labels."""
    fixed = {f"dense k={k}": dense_fixed(k) for k in DEPTHS}
    fixed |= {f"fused k={k}": fused_fixed(k) for k in DEPTHS}
    return {
        "largest gap + 2 (ours, no labels)": adaptive_k(2),
        "adaptive-k": adaptive_k(0),
        "adaptive-k + 5": adaptive_k(5),
        "autocut 1": autocut(1),
        "autocut 2": autocut(2),
        "top-p 0.5": top_p(0.5),
        "top-p 0.8": top_p(0.8),
        "MMR k=4": mmr(searched, 4),
        "MMR k=10": mmr(searched, 10),
        f"EmbeddingsFilter {_FILTER_THRESHOLD:g}": embeddings_filter(searched, _FILTER_THRESHOLD),
        "EmbeddingsFilter 0.5": embeddings_filter(searched, 0.5),
        "EnsembleRetriever k=4": ensemble(searched, 4),
        "EnsembleRetriever k=10": ensemble(searched, 10),
        **fixed,
    }


def _tuned(training: list[Pool], target: float) -> tuple[dict[str, Keep], Calibration]:
    """Policies tuned on the labels; ours also at the other targets."""
    ours, learnt = calibrated(training, target)
    found = {
        f"{OURS} {target:g}": ours,
        FIXED: tuned_fixed(training, target)[0],
        "tuned similarity": tuned_similarity(training, target),
    }
    for other in _TARGETS:
        if other != target:
            found[f"{OURS} {other:g}"] = calibrated(training, other)[0]
            found[f"{FIXED} {other:g}"] = tuned_fixed(training, other)[0]
    return found, learnt


def _by_target(
    rows: dict[str, list[Outcome]],
    policies: list[dict[str, Any]],
    tests: list[np.ndarray],
    recall: np.ndarray,
    tokens: np.ndarray,
    main: float,
) -> list[dict[str, Any]]:
    """Sets ours, a fixed depth tuned to the same target, and the most that any policy could save side by side."""
    by_name = {row["name"]: row for row in policies}
    found = []
    for target in sorted({*_TARGETS, main}):
        ours = f"{OURS} {target:g}"
        possible = [
            oracle(outcome, recall[test], tokens[test], BOUNDS.k_max)
            for outcome, test in zip(rows[ours], tests, strict=True)
        ]
        fixed = by_name[FIXED if target == main else f"{FIXED} {target:g}"]
        found.append(
            {
                "target": target,
                OURS: by_name[ours],
                FIXED: fixed,
                "saved": by_name[ours]["saved"],
                "oracle": float(np.mean(possible)),
            }
        )
    return found


def _row(
    name: str, outcomes: list[Outcome], tests: list[np.ndarray], recall: np.ndarray, tokens: np.ndarray
) -> dict[str, Any]:
    """Averages one policy over the splits, with the bootstrap of what it saves."""
    means = [outcome.means() for outcome in outcomes]
    points: list[float] = []
    samples: list[float] = []
    for seed, (outcome, test) in enumerate(zip(outcomes, tests, strict=True)):
        of_test = recall[test], tokens[test]
        points.extend(saved(outcome, *of_test, np.ones((1, len(test)))))
        samples.extend(saved(outcome, *of_test, resampled(len(test), _RESAMPLES, seed)))
    spread = interval(samples)
    return {
        "name": name,
        **{key: float(np.mean([one[key] for one in means])) for key in means[0]},
        "saved": {"mean": float(np.mean(points)), "low": spread["low"], "high": spread["high"]},
    }


def _curves(searched: Searched, rows: dict[str, list[Outcome]]) -> dict[str, list[dict[str, float]]]:
    """Gives the lines of the plot."""
    ours = sorted(
        (
            {key: float(np.mean([o.means()[key] for o in outcomes])) for key in ("tokens", "recall")}
            for name, outcomes in rows.items()
            if name.startswith(OURS)
        ),
        key=lambda mean: mean["tokens"],
    )
    return {
        "dense, fixed k 1-20": [measure(dense_fixed(k), searched.pools).means() for k in DEPTHS],
        "fused, fixed k 1-20": [measure(fused_fixed(k), searched.pools).means() for k in DEPTHS],
        "adacomp, targets .7-.98": ours,
    }


def _gate_over_splits(found: list[dict[str, float]]) -> dict[str, float]:
    """Averages the rates of the none-gate, with the standard deviation over the splits of the false skips."""
    means = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
    return {**means, "false_skip_sd": float(np.std([one["false_skip"] for one in found]))}
